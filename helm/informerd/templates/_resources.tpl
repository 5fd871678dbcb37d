{{/* What is watched, and the rules that follow from it. */}}

{{/* The resources of Kubernetes' core group, which have a name without a dot. */}}
{{- define "informerd.coreResources" -}}
configmaps endpoints events limitranges namespaces nodes persistentvolumeclaims persistentvolumes pods podtemplates replicationcontrollers resourcequotas secrets serviceaccounts services
{{- end -}}

{{/* Built-in resources without a namespace, which no Role can grant. */}}
{{- define "informerd.clusterScoped" -}}
namespaces nodes persistentvolumes apiservices.apiregistration.k8s.io certificatesigningrequests.certificates.k8s.io clusterrolebindings.rbac.authorization.k8s.io clusterroles.rbac.authorization.k8s.io csidrivers.storage.k8s.io csinodes.storage.k8s.io customresourcedefinitions.apiextensions.k8s.io flowschemas.flowcontrol.apiserver.k8s.io ingressclasses.networking.k8s.io mutatingwebhookconfigurations.admissionregistration.k8s.io prioritylevelconfigurations.flowcontrol.apiserver.k8s.io priorityclasses.scheduling.k8s.io runtimeclasses.node.k8s.io storageclasses.storage.k8s.io validatingadmissionpolicies.admissionregistration.k8s.io validatingadmissionpolicybindings.admissionregistration.k8s.io validatingwebhookconfigurations.admissionregistration.k8s.io volumeattachments.storage.k8s.io
{{- end -}}

{{/* All that is wrong in the values and that a schema can't say. */}}
{{- define "informerd.validate" -}}
{{- $all := concat .Values.resources .Values.clusterScopedResources -}}
{{- if not $all -}}
{{- fail "resources and clusterScopedResources are empty: name what may be watched, for example pods" -}}
{{- end -}}
{{- $core := splitList " " (include "informerd.coreResources" . | trim) -}}
{{- range $all -}}
{{- if and (not (contains "." .)) (not (has . $core)) -}}
{{- fail (printf "%s is no resource of the core group: write it with its group, such as deployments.apps" .) -}}
{{- end -}}
{{- end -}}
{{- $clusterScoped := splitList " " (include "informerd.clusterScoped" . | trim) -}}
{{- if .Values.namespaces -}}
{{- range .Values.resources -}}
{{- if has . $clusterScoped -}}
{{- fail (printf "%s has no namespace: with namespaces set, it belongs into clusterScopedResources" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if gt (add (int .Values.drainSeconds) 5) (int .Values.terminationGracePeriodSeconds) -}}
{{- fail (printf "drainSeconds %d needs a terminationGracePeriodSeconds of at least %d" (int .Values.drainSeconds) (add (int .Values.drainSeconds) 5)) -}}
{{- end -}}
{{- if and .Values.podDisruptionBudget.enabled (kindIs "invalid" .Values.podDisruptionBudget.minAvailable) (kindIs "invalid" .Values.podDisruptionBudget.maxUnavailable) -}}
{{- fail "podDisruptionBudget needs minAvailable or maxUnavailable" -}}
{{- end -}}
{{- if and (eq .Values.tls.mode "disabled") .Values.tls.clientCA.existingSecret -}}
{{- fail "tls.clientCA needs TLS: client certificates can't be presented over plaintext" -}}
{{- end -}}
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
