// Settings of Kubernetes (section `kubernetes`).
import { choice, duration, section, text, type Settings } from '../../core/settings.ts';

const name = /^[a-z0-9.-]{0,253}$/;
const nameLike = 'a Kubernetes name: lower case letters, digits, dots and dashes';

export const kubernetesOptions = section({
  pods: choice(['off', 'own', 'selector'], {
    default: 'off',
    doc: 'Pods that are counted as replicas. own: the pod that weir runs in. selector: the pods that `selector` matches.',
  }),
  selector: text({
    default: '',
    doc: 'Label selector of the pods, such as app=llama, for pods: selector.',
  }),
  deployment: text({
    default: '',
    doc: 'Id of the deployment that the pods belong to. Empty: the first deployment.',
  }),
  container: text({
    default: '',
    pattern: name,
    like: nameLike,
    doc: 'Name of the model’s container. Empty: all containers whose names do not begin with weir. Init containers do not count.',
  }),
  namespace: text({
    default: '',
    pattern: name,
    like: nameLike,
    doc: 'Namespace of the pods. Empty: the namespace of the service account.',
  }),
  pod_name: text({
    default: '',
    pattern: name,
    like: nameLike,
    doc: 'Name of the pod that weir runs in. Empty: the host name, which differs only in the host network.',
  }),
  server: text({
    default: '',
    pattern: /^(https:\/\/[^/\s?#@]+)?$/,
    like: 'a URL such as https://10.0.0.1:6443',
    doc: 'URL of the API server. Empty: the API server of the cluster that weir runs in.',
  }),
  credentials: text({
    default: '/var/run/secrets/kubernetes.io/serviceaccount',
    doc: 'Folder with the files token, ca.crt and namespace of a service account.',
  }),
  request_timeout: duration({
    default: 10_000,
    min: 100,
    max: 300_000,
    doc: 'Maximum duration of a request that lists the pods.',
  }),
  retry_delay_max: duration({
    default: 30_000,
    min: 100,
    doc: 'Longest wait before a failed request is retried.',
  }),
  max_age: duration({
    default: 60_000,
    min: 100,
    doc: 'Maximum age of pod counts without an open watch. After that, replicas are counted by their probes.',
  }),
});
export type KubernetesOptions = Settings<typeof kubernetesOptions>;
