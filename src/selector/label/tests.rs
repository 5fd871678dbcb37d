//! Label selectors against the cases of k8s.io/apimachinery pkg/labels.
