{{/* What is refused before anything is installed. */}}

{{/* All that is wrong in the values and that a schema can't say. */}}
{{- define "informerd.validate" -}}
{{- include "informerd.validateResources" . -}}
{{- include "informerd.validateArguments" . -}}
{{- include "informerd.validateInterval" . -}}
{{- if eq (int .Values.ports.grpc) (int .Values.ports.admin) -}}
{{- fail "ports.grpc and ports.admin are the same: a container can listen on a port once" -}}
{{- end -}}
{{- if eq (int .Values.service.port) (int .Values.service.metricsPort) -}}
{{- fail "service.port and service.metricsPort are the same: one Service has both" -}}
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

{{/* What may be watched. */}}
{{- define "informerd.validateResources" -}}
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
{{- range .Values.clusterScopedResources -}}
{{- if include "informerd.isNamespaced" . -}}
{{- fail (printf "%s has a namespace: it belongs into resources; in clusterScopedResources all namespaces would be granted" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* A time of the daemon, at most 1h and at least 100ms. */}}
{{- define "informerd.validateInterval" -}}
{{- with .Values.access.recheckInterval -}}
{{- $units := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 -}}
{{- $number := regexFind "^[0-9]+" . -}}
{{- $milliseconds := mul (atoi $number) (get $units (trimPrefix $number .)) -}}
{{- if or (gt (len $number) 7) (lt $milliseconds 100) (gt $milliseconds 3600000) -}}
{{- fail (printf "access.recheckInterval %s is out of range: from 100ms to 1h" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The daemon refuses a flag that is there twice, and what the chart derives from a value would no
longer fit. */}}
{{- define "informerd.validateArguments" -}}
{{- $values := dict
      "listen" "listenAddress and ports.grpc"
      "admin-listen" "listenAddress and ports.admin"
      "resources" "resources"
      "namespaces" "namespaces"
      "cluster-id" "clusterId"
      "insecure-allow-anyone" "access.insecureAllowAnyone"
      "token-audience" "access.tokenAudiences"
      "accept-apiserver-audience" "access.acceptApiserverAudience"
      "recheck-interval" "access.recheckInterval"
      "recheck-outage" "access.recheckOutage"
      "ignore-role-changes" "rbac.watchRoles"
      "insecure-plaintext" "tls.mode"
      "tls-cert" "tls.existingSecret"
      "tls-key" "tls.existingSecret"
      "client-ca" "tls.clientCA.existingSecret"
      "drain" "drainSeconds"
      "log" "log.level"
      "log-format" "log.format" -}}
{{- range .Values.extraArgs -}}
{{- $flag := regexFind "^--[^=]+" . | trimPrefix "--" -}}
{{- with get $values $flag -}}
{{- fail (printf "extraArgs has --%s, which the chart sets by itself: use %s" $flag .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
