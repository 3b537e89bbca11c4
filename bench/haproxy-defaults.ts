// The beginning of each configuration of HAProxy: what weir does as well, and no log.
export const HAPROXY_DEFAULTS = `global
  nbthread 1
  maxconn 9000
defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  option forwardfor
  unique-id-format %[uuid()]
  unique-id-header X-Request-Id
`;
