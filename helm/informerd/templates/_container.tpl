{{/* The daemon's command line. */}}
{{- define "informerd.args" -}}
- serve
- --listen={{ .Values.listenAddress }}:{{ .Values.ports.grpc }}
- --admin-listen={{ .Values.listenAddress }}:{{ .Values.ports.admin }}
- --resources={{ concat .Values.resources .Values.clusterScopedResources | uniq | join "," }}
{{- with .Values.namespaces }}
- --namespaces={{ join "," . }}
{{- end }}
{{- with .Values.clusterId }}
- {{ printf "--cluster-id=%s" . | quote }}
{{- end }}
{{- if .Values.access.insecureAllowAnyone }}
- --insecure-allow-anyone
{{- else }}
{{- range .Values.access.tokenAudiences }}
- {{ printf "--token-audience=%s" . | quote }}
{{- end }}
{{- if .Values.access.acceptApiserverAudience }}
- --accept-apiserver-audience
{{- end }}
{{- with .Values.access.recheckInterval }}
- --recheck-interval={{ . }}
{{- end }}
{{- with .Values.access.recheckOutage }}
- --recheck-outage={{ . }}
{{- end }}
{{- if not .Values.rbac.watchRoles }}
- --ignore-role-changes
{{- end }}
{{- end }}
{{- if eq .Values.tls.mode "disabled" }}
- --insecure-plaintext
{{- else }}
- --tls-cert=/run/informerd/tls/tls.crt
- --tls-key=/run/informerd/tls/tls.key
{{- if .Values.tls.clientCA.existingSecret }}
- --client-ca=/run/informerd/client-ca/ca.crt
{{- end }}
{{- end }}
- --drain={{ .Values.drainSeconds }}s
- {{ printf "--log=%s" .Values.log.level | quote }}
- --log-format={{ .Values.log.format }}
{{- range .Values.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end -}}

{{- define "informerd.volumeMounts" -}}
- name: kube-api-access
  mountPath: /var/run/secrets/kubernetes.io/serviceaccount
  readOnly: true
{{- if ne .Values.tls.mode "disabled" }}
- name: tls
  mountPath: /run/informerd/tls
  readOnly: true
{{- if .Values.tls.clientCA.existingSecret }}
- name: client-ca
  mountPath: /run/informerd/client-ca
  readOnly: true
{{- end }}
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/*
The token is mounted here and not by the kubelet's default, so that its lifetime is ours and a
container beside the daemon's doesn't get it. The Secrets are read anew when they change: no
checksum of them restarts the pods.
*/}}
{{- define "informerd.volumes" -}}
- name: kube-api-access
  projected:
    defaultMode: 0440
    sources:
      - serviceAccountToken:
          path: token
          expirationSeconds: {{ .Values.serviceAccount.tokenExpirationSeconds }}
      - configMap:
          name: kube-root-ca.crt
          items:
            - key: ca.crt
              path: ca.crt
      - downwardAPI:
          items:
            - path: namespace
              fieldRef:
                apiVersion: v1
                fieldPath: metadata.namespace
{{- if ne .Values.tls.mode "disabled" }}
- name: tls
  secret:
    secretName: {{ include "informerd.tlsSecretName" . }}
    defaultMode: 0440
    items:
      - key: tls.crt
        path: tls.crt
      - key: tls.key
        path: tls.key
{{- if .Values.tls.clientCA.existingSecret }}
- name: client-ca
  secret:
    secretName: {{ .Values.tls.clientCA.existingSecret }}
    defaultMode: 0440
    items:
      - key: {{ .Values.tls.clientCA.key }}
        path: ca.crt
{{- end }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "informerd.container" -}}
name: informerd
image: {{ include "informerd.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args:
  {{- include "informerd.args" . | nindent 2 }}
{{- with .Values.env }}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.envFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
ports:
  - name: grpc
    containerPort: {{ .Values.ports.grpc }}
  - name: admin
    containerPort: {{ .Values.ports.admin }}
{{- range $probe := list "startupProbe" "livenessProbe" "readinessProbe" }}
{{- with get $.Values $probe }}
{{ $probe }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- with .Values.containerResources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumeMounts:
  {{- include "informerd.volumeMounts" . | nindent 2 }}
{{- end -}}
