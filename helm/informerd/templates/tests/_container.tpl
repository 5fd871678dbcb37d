{{/* One call of the daemon by the command-line client. */}}
{{- define "informerd.testContainer" -}}
{{- $root := .root -}}
name: {{ .name }}
image: {{ include "informerd.image" $root }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
args:
  {{- toYaml .args | nindent 2 }}
env:
  - name: INFORMERD_SERVER
    value: {{ include "informerd.url" $root }}
  {{- if not $root.Values.access.insecureAllowAnyone }}
  - name: INFORMERD_TOKEN_FILE
    value: /run/informerd/token/token
  {{- end }}
  {{- if include "informerd.hasCA" $root }}
  - name: INFORMERD_CA_FILE
    value: /run/informerd/ca/ca.crt
  {{- end }}
  {{- with $root.Values.tls.serverName }}
  - name: INFORMERD_TLS_SERVER_NAME
    value: {{ . }}
  {{- end }}
{{- with $root.Values.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumeMounts:
  - name: token
    mountPath: /run/informerd/token
    readOnly: true
  {{- if include "informerd.hasCA" $root }}
  - name: ca
    mountPath: /run/informerd/ca
    readOnly: true
  {{- end }}
{{- end -}}
