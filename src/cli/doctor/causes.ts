/** Each cause that `doctor` can name, with its remedy. docs/command-line.md lists the same. */
export const remedies = {
  // Node and settings
  "node-too-old": "install a current Node (24 is the long-term release) and start the bot with it",
  "setting-invalid":
    "correct or unset the variable; docs/options.md lists what is allowed. Until then the buffer's constructor throws",
  "tracing-off": "unset LANGFUSE_TRACING_ENABLED and ENABLE_TRACING, or set them to true",
  "keys-missing":
    "set LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY (Langfuse, project settings, API keys); until then spans wait in the journal",
  "public-key-missing":
    "set LANGFUSE_PUBLIC_KEY too; it is shown beside the secret key's date in the project's settings",
  "secret-key-missing":
    "set LANGFUSE_SECRET_KEY too; Langfuse shows it only once, so make a new pair of keys if it is lost",
  "keys-swapped": "exchange them: LANGFUSE_PUBLIC_KEY is the one with pk-, LANGFUSE_SECRET_KEY the one with sk-",
  "secret-key-as-public-key": "set LANGFUSE_PUBLIC_KEY to the key that begins with pk-",
  "public-key-as-secret-key": "set LANGFUSE_SECRET_KEY to the key that begins with sk-",
  "key-unusual": "if Langfuse refuses it: look for quotes or blanks that came along from a file of variables",
  "base-url-invalid": "set LANGFUSE_BASE_URL to the host alone, as https://cloud.langfuse.com or http://localhost:3000",
  "base-url-credentials":
    "take user name and password out of LANGFUSE_BASE_URL; keys go into LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY, and there is no Bearer token",
  "base-url-path": "leave the path away: set LANGFUSE_BASE_URL to the host alone",
  "base-url-unencrypted": "use https:// unless the network in between is your own: the keys travel with each request",
  "tls-unchecked": "unset NODE_TLS_REJECT_UNAUTHORIZED; for an authority of your own set NODE_EXTRA_CA_CERTS",

  // Disk
  "directory-in-the-way": "remove or rename what is there, or name another directory with SPAN_BUFFER_DIRECTORY",
  "directory-not-creatable":
    "make it for the bot's user (install -d -m 700 -o USER DIRECTORY), or name another with SPAN_BUFFER_DIRECTORY",
  "directory-not-writable":
    "give it to the bot's user (chown), mount it writable, or name another with SPAN_BUFFER_DIRECTORY",
  "directory-of-another-user": "run doctor as the user that runs the bot, and the bot as the directory's owner",
  "directory-open-to-others": "chmod 700 the directory: journals hold what users said",
  "disk-full":
    "make room on that file system, or name a directory on another with SPAN_BUFFER_DIRECTORY; until then spans are kept in memory only",
  "disk-nearly-full": "make room, or lower maxDiskBytes",
  "disk-slow": "prefer a local disk; the bot itself does not wait for it, but commits come later",
  "no-locks":
    "name a directory on a local disk with SPAN_BUFFER_DIRECTORY: NFS without its lock service, some FUSE and SMB mounts have no locks",

  // Journals
  "journal-damaged":
    "start the bot: it sets the file aside, rescues what can be read and counts the rest (span-buffer repair does it now)",
  "journal-newer": "use the langfuse-span-buffer that wrote it, or a later one; until then it is left as it is",
  "journal-unreadable": "look at the file's owner and permissions, and run doctor as the bot's user",
  "journal-in-use": "nothing is wrong: a bot or a sidecar runs with this directory",
  "journal-of-another-project": "its spans go only with that project's keys: start a bot with these, once",
  "journal-left-behind": "the next start with these keys delivers it; span-buffer drain does it now",
  "dead-letters": "see what Langfuse said: span-buffer dead-letters list",

  // Network
  "name-unknown":
    "check the host in LANGFUSE_BASE_URL for a typing error, and this machine's DNS (a container has its own)",
  "name-service-trouble": "this machine's DNS does not answer: check /etc/resolv.conf, VPN and network",
  "connection-refused":
    "start Langfuse, or correct the port in LANGFUSE_BASE_URL; in a container localhost is the container itself",
  "connection-reset": "look for a proxy or firewall in between; try again when the server has restarted",
  "no-route": "check the network: VPN, security group, egress rules",
  timeout:
    "check firewall and egress rules (they often drop silently), and whether the server is overloaded; --timeout gives it longer",
  "network-trouble": "look at the words of the system; curl -v to the same URL shows more",
  "through-proxy": "nothing is wrong: the proxy connects, so names and certificates are checked by the step HTTP alone",
  "proxy-not-heeded": "Node heeds HTTP_PROXY and HTTPS_PROXY only with NODE_USE_ENV_PROXY=1",
  "certificate-expired": "have the certificate renewed; if it is not due yet, set this machine's clock right",
  "certificate-not-yet-valid": "set this machine's clock right",
  "certificate-expires-soon": "have it renewed in time",
  "certificate-of-another-name": "use the name that is in the certificate as the host of LANGFUSE_BASE_URL",
  "certificate-of-unknown-authority":
    "if you trust it, set NODE_EXTRA_CA_CERTS=FILE with the authority's certificate in PEM before Node starts; if not, something answers in Langfuse's place",
  "not-https": "write http:// in LANGFUSE_BASE_URL, or the port that speaks TLS",
  "not-http": "write https:// in LANGFUSE_BASE_URL, or the port that speaks plain HTTP",
  "tls-trouble": "look at TLS versions and certificates of the server: openssl s_client -connect HOST:PORT",

  // Langfuse
  "not-langfuse":
    "open LANGFUSE_BASE_URL in a browser: it must show Langfuse itself, not a sign-in page of a network or another program",
  redirected: "set LANGFUSE_BASE_URL to where it leads",
  "route-missing": "check host and path of LANGFUSE_BASE_URL, and whether the ingress sends /api/public to Langfuse",
  "gate-in-front": "let /api/public through without a sign-in of its own, or take the address behind it",
  "server-trouble": "look at Langfuse's own log and status (https://status.langfuse.com); spans wait meanwhile",
  "rate-limited": "nothing is lost: the buffer waits as it is asked to",
  "clock-skewed": "set this machine's clock right (timedatectl set-ntp true): times of spans are wrong by as much",
  "unknown-key":
    "take host and keys of the same project: cloud.langfuse.com is the EU, us.cloud.langfuse.com the US, and each server has keys of its own",
  "no-permission": "make a key in this project's settings: it must be a project's key, not an organization's",
  suspended: "see the project's usage and billing in Langfuse; spans wait meanwhile",
  "transport-closed": "set LANGFUSE_TRANSPORT to auto or otlp: this server refuses old trace events",
  "transport-missing": "set LANGFUSE_TRANSPORT to auto or ingestion; the buffer changes by itself after the first 404",
  "trace-refused": "see the server's words; when the other steps are well this is worth a report",
  "trace-not-delivered": "see the words of the last attempt; nothing was left behind",
  "trace-not-found":
    "nothing is lost: the server has acknowledged it. Look for the trace in Langfuse's own pages; older servers show it after minutes",

  unexpected: "report it, with the output of span-buffer doctor --json",
} as const;

export type Cause = keyof typeof remedies;
