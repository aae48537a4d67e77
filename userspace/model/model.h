/*
 * model.h - the configuration as meant: plain structs, names resolved, nothing compiled.
 *
 * Knows what may be configured and what each value means. Knows nothing of YAML (model_build fills
 * it) nor of sockets and maps. A model is immutable once built and lives as long as its snapshot;
 * all of it but its root is in one arena.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/base/addr.h"
#include "userspace/base/err.h"
#include "userspace/base/log.h"
#include "userspace/base/network.h"
#include "userspace/base/span.h"
#include "userspace/config/schema.h"
#include "userspace/http/forwarded.h"
#include "userspace/http/path.h"
#include "userspace/http/scrub.h"
#include "userspace/model/model_dns.h"
#include "userspace/model/model_guard.h"
#include "userspace/model/model_route.h"
#include "userspace/model/resolution.h"
#include "userspace/model/retry.h"

struct arena;

enum listener_protocol {
	LISTENER_TCP,
	LISTENER_UDP,
	LISTENER_HTTP,
	LISTENER_HTTPS,
	LISTENER_TLS_PASSTHROUGH,
	LISTENER_TCP_PROXY,
	LISTENER_PROTOCOLS
};

enum forward_mode { FORWARD_NONE, FORWARD_VXLAN, FORWARD_DSR, FORWARD_NAT };

/* What connections of packet listeners have in common that go to one endpoint. */
enum affinity { AFFINITY_CONNECTION, AFFINITY_CLIENT_ADDRESS };

enum balance {
	BALANCE_ROUND_ROBIN,
	BALANCE_MAGLEV,
	BALANCE_LEAST_REQUEST,
	BALANCE_RANDOM,
	BALANCES
};

/* Files, as paths that do not depend on the working directory of the file's author. */
struct certificate {
	const char *name;
	const char *chain; /* PEM: the certificate first, then those that lead to its root */
	const char *key;   /* PEM */
	const char *ocsp;  /* DER: an answer to staple; NULL: none */
	struct place at;
};

enum client_certificate {
	CLIENT_CERTIFICATE_NONE,
	CLIENT_CERTIFICATE_OPTIONAL,
	CLIENT_CERTIFICATE_REQUIRED
};

enum tls_version { TLS_VERSION_1_2, TLS_VERSION_1_3 };

/* How a listener ends TLS. */
struct listener_tls {
	const struct certificate **certificates; /* the first one where no name fits */
	uint32_t certificate_count;
	enum tls_version min_version;
	const char *client_ca; /* PEM; NULL: client certificates are not asked for */
	enum client_certificate client_certificate;
	const char *client_subject; /* field that tells the endpoint who it was; NULL: none */
};

/* How an endpoint is spoken to. */
struct upstream_tls {
	bool used;
	const char *name; /* in SNI and in the endpoint's certificate; NULL: neither */
	const char *ca;   /* PEM; NULL: the system's */
	bool skip_verify;
	const struct certificate *certificate; /* ours; NULL: none */
};

/* What endpoints are told of a request's way. */
struct listener_forwarded {
	struct network_list trusted; /* clients whose own words about it are kept */
	struct forwarded_modes modes;
	bool given;
};

/* What endpoints might read otherwise than we do. Zero is the default. */
struct listener_requests {
	struct path_rules paths;
	enum underscores underscores;
	bool given;
};

/* Whose names of requests are kept; others get one of ours. */
enum request_id_take { REQUEST_ID_NONE, REQUEST_ID_TRUSTED, REQUEST_ID_ANY };

struct listener_request_id {
	enum request_id_take take;
	const char *header;
	bool forward; /* the endpoint is told */
	bool answer;  /* the client is told, also where nothing went wrong */
	bool given;
};

/* The PROXY protocol, as an endpoint expects it. */
enum proxy_protocol { PROXY_PROTOCOL_NONE, PROXY_PROTOCOL_V1, PROXY_PROTOCOL_V2 };

struct vpc {
	const char *name;
	uint32_t vni; /* 1 to 2^24 - 1 */
	struct addr source;
	struct place at;
};

static inline bool vpc_has_source(const struct vpc *vpc)
{
	return vpc->source.ip[0] | vpc->source.ip[1] | vpc->source.ip[2] | vpc->source.ip[3];
}

enum { SERVER_ID_MAX = 15, QUIC_CONFIG_MAX = 6 };

struct endpoint {
	const char *name; /* in DNS, that has this address; NULL: it was written */
	enum name_kind name_kind;
	struct addr address;   /* with port */
	uint32_t weight;       /* 0 to 1000; 0 gets nothing new */
	const char *zone;      /* NULL: none */
	const struct vpc *vpc; /* NULL: the classic network */
	struct addr host;      /* vtep behind which it is; for a classic endpoint its own address */
	uint8_t mac[6];        /* inner destination for VXLAN */
	uint8_t server_id[SERVER_ID_MAX]; /* in QUIC connection ids */
	uint32_t server_id_bytes;         /* 0: it has none */
	uint32_t priority;                /* 0 first; others while nobody before them is fit */
	uint32_t max_requests;            /* at once in all workers; 0: any */
	uint32_t max_connections;         /* open at once, of all workers; 0: any */
	uint32_t index;                   /* dense over the whole model, in order of writing */
	struct place at;
};

enum health_kind { HEALTH_NONE, HEALTH_TCP, HEALTH_UDP, HEALTH_HTTP };

enum { HEALTH_STATUSES_MAX = 16, HEALTH_FIELDS_MAX = 16, HEALTH_REQUEST_MAX = 4096 };

struct health_field {
	const char *name, *value;
};

/* How it is found out which endpoints of an upstream are fit for use. */
struct health {
	enum health_kind kind;
	uint32_t kinds;              /* bits of those that were written: one, or it is a mistake */
	struct span send;            /* HEALTH_UDP: what is asked */
	struct span answer;          /* HEALTH_UDP: what an answer contains */
	const char *path;            /* HEALTH_HTTP */
	const char *host;            /* HEALTH_HTTP; NULL: the address that is asked */
	const char *method;          /* HEALTH_HTTP */
	struct health_field *fields; /* HEALTH_HTTP: beside our own */
	uint32_t field_count;
	struct status_range statuses[HEALTH_STATUSES_MAX]; /* HEALTH_HTTP */
	uint32_t status_count;
	struct span body; /* HEALTH_HTTP: what an answer's body contains; empty: not looked at */
	bool expects;     /* statuses or a body were written */
	struct upstream_tls tls; /* HEALTH_TCP and HEALTH_HTTP: inside of it, where used */
	bool tls_given;          /* else it follows from the upstream's */
	uint32_t valid_days;     /* that its certificate must have left; 0: any */
	uint32_t port;           /* 0: the endpoint's */
	uint32_t interval_ms, timeout_ms;
	uint32_t fast_interval_ms; /* while results say otherwise than before; 0: as ever */
	uint32_t rise, fall;       /* results in a row */
	uint32_t damping_ms;       /* who fails again so soon needs more good ones; 0: does not */
	bool mtu;                  /* in a tunnel: full-size packets too */
};

/* What makes requests go together. */
enum request_key_kind {
	KEY_CLIENT,
	KEY_HEADER,
	KEY_COOKIE,
	KEY_QUERY,
	KEY_PATH,
	KEY_TLS_SESSION, /* of TLS, with those that resumed it */
	KEY_KINDS
};

struct request_key {
	enum request_key_kind kind;
	const char *name; /* of the header, cookie or query parameter */
};

enum persistence_kind {
	PERSISTENCE_NONE,
	PERSISTENCE_COOKIE,      /* one of ours names the endpoint */
	PERSISTENCE_APPLICATION, /* the endpoint's name is put before the value of one of its own */
	PERSISTENCE_HASH,        /* the same for the same key, where there is one */
};

enum cookie_secure { COOKIE_SECURE_AUTO, COOKIE_SECURE_ALWAYS, COOKIE_SECURE_NEVER };

/* How a client is led back to the endpoint that it had. */
struct persistence {
	enum persistence_kind kind;
	uint32_t kinds;     /* how many of them were written: one, or it is a mistake */
	const char *cookie; /* the name of ours, or of the application's */
	const char *path;
	uint32_t max_age_ms; /* 0: as long as the browser runs */
	bool scripts;        /* without HttpOnly */
	const char *same_site;
	enum cookie_secure secure;
	const char *attributes; /* of the cookie, but for Secure: "; Path=/..." */
	struct request_key hash_on;
	bool dressed; /* attributes were written */
};

/* Who is left alone after failing again and again. */
struct eject {
	uint32_t failures; /* in a row; 0: never */
	uint32_t
		rate; /* percent points that more of its own failed than of the others'; 0: never */
	uint32_t slow;         /* times as long as the others took; 0: never */
	uint32_t window_ms;    /* over which both are compared */
	uint32_t least;        /* results there, of its own and of the others, or nothing is said */
	uint32_t time_ms;      /* the first time; twice as long each next */
	uint32_t most_percent; /* of an upstream's endpoints at once */
};

/* When nobody of an upstream is asked. */
struct breaker_rules {
	uint32_t active;         /* exchanges at once, in all workers; 0: any */
	uint32_t pending;        /* of them those that have no connection yet; 0: any */
	uint32_t failed_percent; /* of what was tried in a window; 0: never */
	uint32_t window_ms, least;
	uint32_t time_ms; /* the first time; twice as long each next */
	uint32_t trials;  /* that must go well then */
};

enum { FAILOVER_MAX = 4 /* upstreams behind one another */ };

/* Exchanges that wait while all endpoints are full. */
struct queue {
	uint32_t size, timeout_ms; /* size: in all workers; 0: none waits */
	bool finished_leaves;      /* a client that has closed its side, not only one that resets */
};

struct upstream {
	const char *name;
	enum balance balance;
	struct request_key hash_on; /* BALANCE_MAGLEV */
	uint32_t slow_start_ms;     /* until who comes back has its whole share; 0: at once */
	uint32_t panic;             /* percent that must be fit, or all are taken for it */
	bool fail_closed;           /* nobody is asked where nobody is fit */
	struct eject eject;
	struct persistence persistence;
	struct queue queue;
	struct breaker_rules breaker;
	const struct upstream *failover; /* asked while nobody here can be; NULL: none */
	bool own_zone_first;
	uint32_t overprovision; /* percent of its share that a zone bears while others are unfit */
	struct health health;
	struct endpoint *endpoints;
	uint32_t endpoint_count;
	bool has_names; /* among its endpoints: how many there are changes */
	uint32_t index; /* dense over the model */
	uint32_t connect_timeout_ms;
	uint32_t idle_connections; /* kept a worker */
	uint32_t drain_ms;         /* that splices to an endpoint that leaves last; 0: any time */
	struct upstream_tls tls;
	enum proxy_protocol proxy_protocol; /* sent first; connections then serve one session */
	struct place at;
};

/* Of one name and one protocol; in bytes (RFC 7301, 3.1). */
enum { SNI_ENTRIES_MAX = 16, SNI_PROTOCOLS_MAX = 16, ALPN_BYTES_MAX = 255 };

/* Those of one name stand together, in the order of writing. */
struct sni_route {
	const char *name; /* lower case; "*.x" by suffix; "default" */
	const struct upstream *upstream;
	const char **protocols; /* one of which the client offers (ALPN); NULL: any */
	uint32_t protocol_count;
	struct place at;
};

/* All in milliseconds; every stage of a session has one. */
struct timeouts {
	uint32_t head_ms;     /* to read a request's head or a ClientHello, from its first byte */
	uint32_t idle_ms;     /* keep-alive between requests */
	uint32_t body_ms;     /* without a byte of progress, either direction */
	uint32_t response_ms; /* from the request's end to the response's head */
	uint32_t request_ms;  /* to receive all of a request, from its head; 0: any time */
	uint32_t total_ms;    /* an exchange, from its head; 0: any time */
	uint32_t tunnel_ms;   /* a tunnel without a byte, relayed or spliced */
	uint32_t tunnel_total_ms; /* a tunnel in all; 0: any time */
	uint32_t drain_ms;        /* of a stopping worker or a refused session */
	uint32_t handshake_ms;    /* of TLS, whole */
	uint32_t udp_idle_ms;     /* LISTENER_UDP: what is silent for longer begins anew */
};

/* The least that peers must move while they are waited for, in bytes a second; 0: anything. */
struct rates {
	uint32_t request;  /* the client sends a request */
	uint32_t response; /* the client takes a response */
	uint32_t endpoint; /* the endpoint sends a response's body, or takes a request's */
	uint32_t over_ms;  /* the window in which that is measured */
};

/* How connection ids name endpoints: draft-ietf-quic-load-balancers, plaintext. */
struct listener_quic {
	bool given;
	uint32_t config_id;       /* 0 to QUIC_CONFIG_MAX */
	uint32_t server_id_bytes; /* 1 to SERVER_ID_MAX */
};

struct listener {
	const struct vip *vip;
	uint16_t port; /* host order */
	enum listener_protocol protocol;
	const struct route_table *routes;      /* LISTENER_HTTP, _HTTPS */
	struct listener_tls tls;               /* LISTENER_HTTPS */
	struct listener_forwarded forwarded;   /* LISTENER_HTTP, _HTTPS */
	struct listener_request_id request_id; /* LISTENER_HTTP, _HTTPS */
	struct listener_requests requests;     /* LISTENER_HTTP, _HTTPS */
	struct network_list introducers;       /* who must begin with a PROXY header */
	uint32_t connections_per_source;       /* at once; 0: any */
	uint32_t connections;                  /* at once; 0: what the node has room for */
	const struct sni_route *sni;           /* LISTENER_TLS_PASSTHROUGH */
	uint32_t sni_count;
	const uint32_t *sni_slots; /* route/sni_match.c's */
	uint32_t sni_mask;
	const struct upstream *upstream;  /* LISTENER_TCP, _UDP, _TCP_PROXY */
	enum forward_mode forward;        /* LISTENER_TCP, _UDP */
	uint32_t ring;                    /* LISTENER_TCP, _UDP: slots, a prime; 0: not given */
	enum affinity affinity;           /* LISTENER_TCP, _UDP */
	struct listener_quic quic;        /* LISTENER_UDP */
	enum splice_policy splice;        /* LISTENER_TLS_PASSTHROUGH, _TCP_PROXY */
	struct splice_rates splice_rates; /* the same */
	struct timeouts timeouts;
	struct rates rates;
	uint32_t index; /* dense over the model's listeners, L4 and L7 together */
	struct place at;
};

/* What becomes of echo requests to a vip. */
enum ping_policy {
	PING_AUTO, /* answered by XDP, or where a listener of the proxy has the address, passed */
	PING_ANSWER,
	PING_PASS, /* the stack has them */
	PING_DROP,
};

struct vip {
	const char *name;
	enum ping_policy ping;
	struct guard guard;     /* beside the node's */
	struct addr *addresses; /* port 0 */
	uint32_t address_count;
	struct listener *listeners;
	uint32_t listener_count;
	struct place at;
};

enum { DEVICES_MAX = 16, SOURCES_MAX = 16 };

/* Slots of the ring of a listener of packets, and of all of them together. */
enum { RING_DEFAULT = 16381, RING_MIN = 7, RING_MAX = 65537, RINGS_LIMIT = 1 << 20 };

/* Slots of an L4 listener's ring. */
static inline uint32_t listener_ring(const struct listener *l)
{
	return l->ring ? l->ring : (uint32_t)RING_DEFAULT;
}

/* By which hook packets come; in the order of attach.h. */
enum node_mode { NODE_MODE_AUTO, NODE_MODE_NATIVE, NODE_MODE_GENERIC, NODE_MODE_TC };

struct node {
	const char *name;
	const char *zone;
	const char *devices[DEVICES_MAX];
	uint32_t device_count;
	enum node_mode mode;              /* of all devices */
	struct addr tunnel_address;       /* all zero: none */
	struct addr sources[SOURCES_MAX]; /* from which the proxy connects; at most one a family is
					     used now */
	uint32_t source_count;
	struct addr guests[SOURCES_MAX]; /* sources of other nodes, whose splices may come here */
	uint32_t guest_count;
	struct place guests_at, countries_at, tickets_at, persistence_at;
	uint32_t connections; /* of clients at once; 0: as many as descriptors and memory allow */
	uint64_t
		memory_bytes; /* for connections and bytes on their way; 0: half of what there is */
	uint32_t flows;       /* that the kernel can remember; 0: by the listeners */
	uint32_t splices;     /* connections in the kernel at once; 0: by the listeners */
	uint32_t handshakes;  /* TLS, under way at once in each worker */
	uint32_t workers;     /* 0: one a CPU, at most WORKERS_MAX */
	uint64_t hash_seed;   /* 0 unless given */
	uint16_t splice_port_first,
		splice_port_last;               /* reserved source ports; default 20000-29999 */
	uint16_t nat_port_first, nat_port_last; /* the same for forward: nat; 61000-65535 */
	struct guard guard;                     /* of all vips */
	const char *ticket_keys;      /* file shared by nodes; NULL: keys of this process */
	const char *persistence_keys; /* likewise; NULL: of the state directory or this process */
	const char *countries;        /* database of addresses; NULL: none */
};

enum { FLOWS_LIMIT = 1 << 26, SPLICES_LIMIT = 1 << 20 };
enum { CONNECTIONS_LIMIT = 1 << 20, HANDSHAKES_LIMIT = 65536, LOG_HEADERS_MAX = 8 };

struct log_config {
	enum log_level level; /* the most that is said */
	const char *access;   /* as log_target.h has it; NULL: no access log */
	bool hide_query;
	const char *headers[LOG_HEADERS_MAX]; /* of requests */
	uint32_t header_count;
};

/* As the kernel's tables have rows; dataplane/ asserts that they agree with bpf/abi/sizes.h. */
enum {
	VIP_ROWS_MAX = 4096,
	LISTENERS_MAX = 1024,
	ENDPOINTS_LIMIT = 16384,
	QUIC_IDS_LIMIT = 8192,
	GUARDS_LIMIT = 1000,
	GUARD_NETWORKS_LIMIT = 16384
};

struct model {
	struct node node;
	struct log_config log;
	struct vpc *vpcs;
	uint32_t vpc_count;
	struct certificate *certificates;
	uint32_t certificate_count;
	struct upstream *upstreams;
	uint32_t upstream_count;
	uint32_t endpoint_count; /* of all upstreams */
	struct route_table *tables;
	uint32_t table_count;
	struct vip *vips;
	uint32_t vip_count;
	uint32_t listener_count;
	struct expectation *tests;
	uint32_t test_count;
	struct dns dns;
	struct model_name *names; /* of endpoints, each once */
	uint32_t name_count;
	struct country_db *countries; /* node.countries; NULL: none */
	bool read;                    /* from files, and not made again from what was read */
	const struct yaml *root;      /* what it was built from; NULL: forgotten */
	struct arena *arena, *nodes;  /* in which root is */
};

/*
 * Reads a file or a directory of files, builds and checks. NULL where anything is wrong, with at
 * least one finding; else a model that model_destroy ends. Any thread; no global state.
 */
struct model *model_load(const char *path, struct findings *out_findings);
/* The same with what names stand for; NULL: nothing yet, as in the others. */
struct model *model_load_resolved(const char *path, const struct resolution *resolution,
				  struct findings *out_findings);
/* From the root of `model`, with what names stand for now; `model` may end before the new one. */
struct model *model_again(const struct model *model, const struct resolution *resolution,
			  struct findings *out_findings);
/* As model_load, from memory; name stands in the findings. For tests and fuzzing. */
struct model *model_load_text(const char *name, const char *text, size_t len,
			      struct findings *out_findings);
/* As model_load, of several texts that each came from a file of that name. */
struct source {
	const char *name, *text;
	size_t len;
};
struct model *model_load_sources(const struct source *sources, uint32_t count,
				 struct findings *out_findings);
void model_destroy(struct model *model);
/* Its root, which takes more than all that was made of it. */
void model_forget_root(struct model *model);

extern const char *const listener_protocol_names[LISTENER_PROTOCOLS];
