{{/* Whether `helm test` has something to run: clients send no token in clear text, so over plaintext it
could only fail where callers are asked for one. */}}
{{- define "informerd.tested" -}}
{{- if and .Values.helmTest.enabled (or (ne .Values.tls.mode "disabled") .Values.access.insecureAllowAnyone) }}true{{ end -}}
{{- end -}}

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
resources:
  requests:
    cpu: 10m
    memory: 64Mi
  limits:
    memory: 64Mi
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
