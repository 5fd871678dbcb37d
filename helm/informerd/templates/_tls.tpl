{{/* Where certificates are and what stands in them. */}}

{{- define "informerd.tlsSecretName" -}}
{{- if eq .Values.tls.mode "existingSecret" -}}
{{- required "tls.existingSecret is empty: name the Secret with tls.crt and tls.key" .Values.tls.existingSecret -}}
{{- else -}}
{{- include "informerd.fullname" . }}-tls
{{- end -}}
{{- end -}}

{{/* A JSON list: all names by which the Services are called, and the operator's own. */}}
{{- define "informerd.dnsNames" -}}
{{- $names := list -}}
{{- $namespace := include "informerd.namespace" . -}}
{{- $full := include "informerd.fullname" . -}}
{{- range $service := list $full (printf "%s-headless" $full) -}}
{{- $names = concat $names (list
      (printf "%s.%s" $service $namespace)
      (printf "%s.%s.svc" $service $namespace)
      (printf "%s.%s.svc.%s" $service $namespace $.Values.service.clusterDomain)) -}}
{{- end -}}
{{- concat (list $full) $names .Values.tls.dnsNames | uniq | toJson -}}
{{- end -}}

{{/* The volume source of the authority's certificate, for clients inside the release. */}}
{{- define "informerd.caVolume" -}}
{{- if eq .Values.tls.mode "generated" -}}
configMap:
  name: {{ include "informerd.fullname" . }}-ca
{{- else -}}
secret:
  secretName: {{ include "informerd.tlsSecretName" . }}
  items:
    - key: {{ .Values.tls.caKey }}
      path: ca.crt
{{- end -}}
{{- end -}}

{{/* Whether clients need a certificate of an authority at all. */}}
{{- define "informerd.hasCA" -}}
{{- if and (ne .Values.tls.mode "disabled") (or (eq .Values.tls.mode "generated") .Values.tls.caKey) }}true{{ end -}}
{{- end -}}
