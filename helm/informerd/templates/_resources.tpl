{{/* What is watched, and the rules that follow from it. */}}

{{/* The resources of Kubernetes' core group, which have a name without a dot. */}}
{{- define "informerd.coreResources" -}}
configmaps endpoints events limitranges namespaces nodes persistentvolumeclaims persistentvolumes pods podtemplates replicationcontrollers resourcequotas secrets serviceaccounts services
{{- end -}}

{{/* Built-in resources without a namespace, which no Role can grant. */}}
{{- define "informerd.clusterScoped" -}}
namespaces nodes persistentvolumes apiservices.apiregistration.k8s.io certificatesigningrequests.certificates.k8s.io clusterrolebindings.rbac.authorization.k8s.io clusterroles.rbac.authorization.k8s.io clustertrustbundles.certificates.k8s.io csidrivers.storage.k8s.io csinodes.storage.k8s.io customresourcedefinitions.apiextensions.k8s.io deviceclasses.resource.k8s.io devicetaintrules.resource.k8s.io flowschemas.flowcontrol.apiserver.k8s.io ingressclasses.networking.k8s.io ipaddresses.networking.k8s.io mutatingadmissionpolicies.admissionregistration.k8s.io mutatingadmissionpolicybindings.admissionregistration.k8s.io mutatingwebhookconfigurations.admissionregistration.k8s.io priorityclasses.scheduling.k8s.io prioritylevelconfigurations.flowcontrol.apiserver.k8s.io resourceslices.resource.k8s.io runtimeclasses.node.k8s.io servicecidrs.networking.k8s.io storageclasses.storage.k8s.io storageversionmigrations.storagemigration.k8s.io storageversions.internal.apiserver.k8s.io validatingadmissionpolicies.admissionregistration.k8s.io validatingadmissionpolicybindings.admissionregistration.k8s.io validatingwebhookconfigurations.admissionregistration.k8s.io volumeattachments.storage.k8s.io volumeattributesclasses.storage.k8s.io
{{- end -}}

{{/* Groups of Kubernetes in which everything has a namespace. */}}
{{- define "informerd.namespacedGroups" -}}
apps autoscaling batch coordination.k8s.io discovery.k8s.io events.k8s.io policy
{{- end -}}

{{/* Built-in resources with a namespace in groups that have others too; the core group aside. */}}
{{- define "informerd.namespaced" -}}
csistoragecapacities.storage.k8s.io ingresses.networking.k8s.io networkpolicies.networking.k8s.io podcertificaterequests.certificates.k8s.io resourceclaims.resource.k8s.io resourceclaimtemplates.resource.k8s.io rolebindings.rbac.authorization.k8s.io roles.rbac.authorization.k8s.io
{{- end -}}

{{/* Says `true` of a name that Kubernetes itself has, with a namespace. */}}
{{- define "informerd.isNamespaced" -}}
{{- $clusterScoped := splitList " " (include "informerd.clusterScoped" . | trim) -}}
{{- $groups := splitList " " (include "informerd.namespacedGroups" . | trim) -}}
{{- $named := splitList " " (include "informerd.namespaced" . | trim) -}}
{{- if not (contains "." .) -}}
{{- if not (has . $clusterScoped) }}true{{ end -}}
{{- else if or (has . $named) (has ((splitn "." 2 .)._1) $groups) }}true{{ end -}}
{{- end -}}

{{/* One of `resources` to try, with a namespace and never secrets: one that Kubernetes itself has, or
the first of those that are taken at their word. Empty when there is none. */}}
{{- define "informerd.sample" -}}
{{- $clusterScoped := splitList " " (include "informerd.clusterScoped" . | trim) -}}
{{- $known := list -}}
{{- $others := list -}}
{{- range without .Values.resources "secrets" -}}
{{- if include "informerd.isNamespaced" . -}}
{{- $known = append $known . -}}
{{- else if not (has . $clusterScoped) -}}
{{- $others = append $others . -}}
{{- end -}}
{{- end -}}
{{- first (concat $known $others) | default "" -}}
{{- end -}}

{{/* Rules of list and watch for a list of resource names, one for each API group. */}}
{{- define "informerd.rules" -}}
{{- $groups := dict -}}
{{- range . -}}
{{- $parts := splitn "." 2 . -}}
{{- $group := default "" $parts._1 -}}
{{- $names := append (get $groups $group | default list) $parts._0 -}}
{{- $_ := set $groups $group $names -}}
{{- end -}}
{{- range $group := keys $groups | sortAlpha }}
- apiGroups: [{{ $group | quote }}]
  resources:
    {{- range get $groups $group | uniq | sortAlpha }}
    - {{ . }}
    {{- end }}
  verbs: ["list", "watch"]
{{- end }}
{{- end -}}

{{/* Objects that give rights, and whose changes the daemon therefore follows where it serves. */}}
{{- define "informerd.roleKinds" -}}
{{- if and .Values.rbac.watchRoles (not .Values.access.insecureAllowAnyone) -}}
roles.rbac.authorization.k8s.io rolebindings.rbac.authorization.k8s.io
{{- if not .Values.namespaces }} clusterroles.rbac.authorization.k8s.io clusterrolebindings.rbac.authorization.k8s.io{{ end }}
{{- end -}}
{{- end -}}

{{/* Rules that a Role in each namespace holds. */}}
{{- define "informerd.namespaceRules" -}}
{{- include "informerd.rules" (concat .Values.resources (splitList " " (include "informerd.roleKinds" .) | compact)) -}}
{{- end -}}

{{/* Rules that no Role can hold. Empty when there are none. */}}
{{- define "informerd.clusterRules" -}}
{{- $resources := .Values.clusterScopedResources -}}
{{- if not .Values.namespaces -}}
{{- $resources = concat .Values.resources $resources (splitList " " (include "informerd.roleKinds" .) | compact) -}}
{{- end -}}
{{- include "informerd.rules" $resources -}}
{{- if not .Values.clusterId }}
# Its uid identifies the cluster in resume tokens.
- apiGroups: [""]
  resources: ["namespaces"]
  resourceNames: ["kube-system"]
  verbs: ["get"]
{{- end }}
{{- end -}}
