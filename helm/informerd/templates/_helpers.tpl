{{/* Names, labels and addresses. */}}

{{- define "informerd.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "informerd.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "informerd.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride -}}
{{- end -}}

{{/* Cluster-scoped objects of two releases with one name must not be the same. */}}
{{- define "informerd.clusterName" -}}
{{- printf "%s:%s" (include "informerd.namespace" .) (include "informerd.fullname" .) -}}
{{- end -}}

{{- define "informerd.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "informerd.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name is empty: name an existing service account, or set serviceAccount.create" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "informerd.selectorLabels" -}}
app.kubernetes.io/name: {{ include "informerd.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "informerd.labels" -}}
{{ include "informerd.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* What every object but a cluster-scoped one begins with. */}}
{{- define "informerd.metadata" -}}
name: {{ include "informerd.fullname" . }}
namespace: {{ include "informerd.namespace" . }}
labels:
  {{- include "informerd.labels" . | nindent 2 }}
{{- end -}}

{{- define "informerd.subject" -}}
- kind: ServiceAccount
  name: {{ include "informerd.serviceAccountName" . }}
  namespace: {{ include "informerd.namespace" . }}
{{- end -}}

{{- define "informerd.image" -}}
{{- $name := .Values.image.repository -}}
{{- with default (.Values.global | default dict).imageRegistry .Values.image.registry }}{{ $name = printf "%s/%s" . $name }}{{ end -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $name .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/* The release's own and those of a parent chart, which may be names alone. Empty when there are none. */}}
{{- define "informerd.imagePullSecrets" -}}
{{- range concat .Values.imagePullSecrets ((.Values.global | default dict).imagePullSecrets | default list) }}
- name: {{ if kindIs "string" . }}{{ . }}{{ else }}{{ .name }}{{ end }}
{{- end }}
{{- end -}}

{{/* The host by which clients of the cluster reach the Service. */}}
{{- define "informerd.host" -}}
{{- printf "%s.%s.svc" (include "informerd.fullname" .) (include "informerd.namespace" .) -}}
{{- end -}}

{{- define "informerd.url" -}}
{{- printf "%s://%s:%d" (ternary "http" "https" (eq .Values.tls.mode "disabled")) (include "informerd.host" .) (int .Values.service.port) -}}
{{- end -}}

{{/* IPv4, IPv6 or both, of both Services. */}}
{{- define "informerd.ipFamilies" -}}
{{- with .Values.service.ipFamilyPolicy }}
ipFamilyPolicy: {{ . }}
{{- end }}
{{- with .Values.service.ipFamilies }}
ipFamilies:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
