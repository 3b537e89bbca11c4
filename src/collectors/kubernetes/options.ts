// Settings of what is read from the Kubernetes API server.
import { choice, duration, section, text, type Settings } from '../../core/settings.ts';

const name = /^[a-z0-9.-]{0,253}$/;
const nameLike = 'a Kubernetes name: lower case letters, digits, dots and dashes';

export const kubernetesOptions = section({
  pods: choice(['off', 'own', 'selector'], {
    default: 'off',
    doc: 'Which pods are the replicas: own is the one that weir runs in, selector all that `selector` names.',
  }),
  selector: text({
    default: '',
    doc: 'Label selector of the pods, such as app=llama; for pods: selector.',
  }),
  deployment: text({
    default: '',
    doc: 'Id of the deployment that the pods are; empty: the first.',
  }),
  container: text({
    default: '',
    pattern: name,
    like: nameLike,
    doc: 'The model’s container; empty: every one whose name does not begin with weir. Init containers never count.',
  }),
  namespace: text({
    default: '',
    pattern: name,
    like: nameLike,
    doc: 'Namespace of the pods; empty: that of the service account.',
  }),
  pod_name: text({
    default: '',
    pattern: name,
    like: nameLike,
    doc: 'Name of weir’s own pod; empty: the host name, which differs from it in the host network alone.',
  }),
  server: text({
    default: '',
    pattern: /^(https:\/\/[^/\s?#@]+)?$/,
    like: 'a URL such as https://10.0.0.1:6443',
    doc: 'The API server; empty: that of the cluster which weir runs in.',
  }),
  credentials: text({
    default: '/var/run/secrets/kubernetes.io/serviceaccount',
    doc: 'Folder with token, ca.crt and namespace, as a service account’s is mounted.',
  }),
  request_timeout: duration({
    default: 10_000,
    min: 100,
    max: 300_000,
    doc: 'How long the API server may take to list the pods.',
  }),
  retry_delay_max: duration({
    default: 30_000,
    min: 100,
    doc: 'Largest wait before the API server is asked again after it failed.',
  }),
  max_age: duration({
    default: 60_000,
    min: 100,
    doc: 'When no watch is open for so long, health checks speak for the pods again.',
  }),
});
export type KubernetesOptions = Settings<typeof kubernetesOptions>;
