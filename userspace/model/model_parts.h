/*
 * model_parts.h - the parts of building a model (model/ only). Sections are read in the order in
 * which they refer to one another, whatever their order in the file.
 */
#pragma once
#include "userspace/model/model.h"

struct building {
	struct model *model;
	struct reading reading;
	const struct resolution *resolution; /* NULL: names stand for nothing */
	const struct model *before; /* built from the same: what it read from files; NULL: none */
};

void build_vpcs(struct building *b, const struct yaml *section);
void build_certificates(struct building *b, const struct yaml *section);
void build_upstreams(struct building *b, const struct yaml *section);
void build_routes(struct building *b, const struct yaml *section);
/* Once all routes are read: the database that they ask. */
void build_countries(struct building *b);
void build_vips(struct building *b, const struct yaml *section);
void build_dns(struct building *b, const struct yaml *section);
void build_log(struct building *b, const struct yaml *section);
void build_tests(struct building *b, const struct yaml *section);
/* Does it hold together? */
void model_check(struct building *b);
void check_routes(struct building *b);
void check_tests(struct building *b);
void check_guards(struct building *b);
void check_quic(struct building *b);

/* All tables of keys; model_schema names them. */
extern const struct key match_path_keys[], match_value_keys[], share_keys[], sticky_keys[],
	filter_keys[], edit_keys[], rewrite_keys[];
extern const struct key top_keys[], node_keys[], vip_keys[], listener_keys[], timeout_keys[],
	route_keys[], match_keys[], redirect_keys[], respond_keys[], upstream_keys[],
	endpoint_keys[], vpc_keys[], test_keys[], certificate_keys[], listener_tls_keys[],
	upstream_tls_keys[], forwarded_keys[], log_keys[], request_id_keys[], requests_keys[];
extern const struct key quic_keys[], rate_keys[], guard_keys[], health_keys[], health_udp_keys[],
	health_expect_keys[], eject_keys[], retry_keys[], route_timeout_keys[], persistence_keys[],
	queue_keys[], breaker_keys[], dns_keys[], limit_keys[], sni_keys[];

/* By name, with a finding that names the nearest one where there is none. */
const struct upstream *building_upstream(struct building *b, const struct yaml *name);
const struct route_table *building_table(struct building *b, const struct yaml *name);
const struct vpc *building_vpc(struct building *b, const struct yaml *name);
const struct certificate *building_certificate(struct building *b, const struct yaml *name);

static inline struct building *building_of(struct reading *r)
{
	return r->context;
}

void read_respond(struct reading *r, const struct key *key, const struct yaml *value,
		  void *into); /* struct route */
void read_endpoint_address(struct reading *r, const struct key *key, const struct yaml *value,
			   void *into); /* struct endpoint */
void read_endpoint_srv(struct reading *r, const struct key *key, const struct yaml *value,
		       void *into); /* struct endpoint */
/* How many addresses the name of an endpoint has. */
uint32_t endpoints_most(const struct building *b, const struct endpoint *as);
/* Adds one like it for each of them that the upstream does not have. It has room for all. */
void endpoints_of_name(struct building *b, struct upstream *u, const struct endpoint *as);

/* Whether a field is one that others may say: not Host, nor what follows from the message. */
bool may_set_field(const char *name);
/* A text that fits into a field, 1024 bytes at most. */
bool is_field_value(const struct yaml *value);

/* One of a list of words; UINT32_MAX and a finding where it is none of them. names end in NULL. */
uint32_t word_of(struct reading *r, const struct key *key, const struct yaml *value,
		 const char *const *names);
/* How many; a map of fields and texts, names in lower case. */
uint32_t build_headers(struct reading *r, const struct yaml *value,
		       struct field_match **out_headers);
/* const char *: a path; one that is not absolute begins at the file that names it. */
void read_path_text(struct reading *r, const struct key *key, const struct yaml *value, void *into);
void read_bool(struct reading *r, const struct key *key, const struct yaml *value, void *into);
void read_certificates(struct reading *r, const struct key *key, const struct yaml *value,
		       void *into); /* struct listener_tls */
void read_listener_tls(struct reading *r, const struct key *key, const struct yaml *value,
		       void *into); /* struct listener_tls */
void read_upstream_tls(struct reading *r, const struct key *key, const struct yaml *value,
		       void *into); /* struct upstream_tls */
void read_server_names(struct reading *r, const struct key *key, const struct yaml *value,
		       void *into); /* struct listener */
void read_forwarded(struct reading *r, const struct key *key, const struct yaml *value,
		    void *into); /* struct listener_forwarded */
void read_health(struct reading *r, const struct key *key, const struct yaml *value,
		 void *into); /* struct health */
/* What of a health check follows from the rest of its upstream, which has been read. */
void settle_health(struct reading *r, struct upstream *u);
void read_persistence(struct reading *r, const struct key *key, const struct yaml *value,
		      void *into); /* struct persistence */
void read_request_key(struct reading *r, const struct key *key, const struct yaml *value,
		      void *into); /* struct request_key */
extern const struct listener_forwarded default_forwarded;
void read_request_id(struct reading *r, const struct key *key, const struct yaml *value,
		     void *into); /* struct listener_request_id */
extern const struct listener_request_id default_request_id;
void read_requests(struct reading *r, const struct key *key, const struct yaml *value,
		   void *into); /* struct listener_requests */
void read_networks(struct reading *r, const struct key *key, const struct yaml *value,
		   void *into); /* struct network_list */
void read_countries(struct reading *r, const struct key *key, const struct yaml *value,
		    void *into); /* struct conditions */
void read_match(struct reading *r, const struct key *key, const struct yaml *value,
		void *into); /* struct route */
void read_split(struct reading *r, const struct key *key, const struct yaml *value,
		void *into); /* struct route */
void read_sticky(struct reading *r, const struct key *key, const struct yaml *value,
		 void *into); /* struct route */
void read_filters(struct reading *r, const struct key *key, const struct yaml *value,
		  void *into); /* struct route */
/* Once a route is read: do its texts make sense? */
void build_filters(struct reading *r, const struct route *route);
void read_new_host(struct reading *r, const struct key *key, const struct yaml *value,
		   void *into); /* struct place_change */
void read_new_path(struct reading *r, const struct key *key, const struct yaml *value,
		   void *into); /* struct place_change */
void read_guard(struct reading *r, const struct key *key, const struct yaml *value,
		void *into); /* struct guard */
void read_retry(struct reading *r, const struct key *key, const struct yaml *value,
		void *into); /* const struct retry * */
void read_limits(struct reading *r, const struct key *key, const struct yaml *value,
		 void *into); /* struct route_limits * */
/* Once a route is read: what of its limits is used up. */
void build_limits(struct building *b, const struct route_table *table, const struct route *route);
void read_route_timeout(struct reading *r, const struct key *key, const struct yaml *value,
			void *into); /* const struct route_timeouts * */
void read_route_timeouts(struct reading *r, const struct key *key, const struct yaml *value,
			 void *into); /* const struct route_timeouts * */
void read_queue(struct reading *r, const struct key *key, const struct yaml *value,
		void *into); /* struct queue */
void read_breaker(struct reading *r, const struct key *key, const struct yaml *value,
		  void *into); /* struct breaker_rules */
void read_eject(struct reading *r, const struct key *key, const struct yaml *value,
		void *into); /* struct eject */
void read_failover(struct reading *r, const struct key *key, const struct yaml *value, void *into);
void read_zones(struct reading *r, const struct key *key, const struct yaml *value, void *into);
/* Once all upstreams are read. */
void build_failovers(struct building *b, const struct yaml *section);
/* Once an upstream is read: are its bounds of use? */
void build_bounds(struct reading *r, const struct yaml *value, const struct upstream *upstream);
void read_splice(struct reading *r, const struct key *key, const struct yaml *value, void *into);
/* A lower-case host, "*.example.com" too; NULL and a finding where it is none. */
const char *host_of(struct reading *r, const struct yaml *value, bool wildcard);
/* Of TLS (SNI), wildcards too. */
const char *server_name_of(struct reading *r, const struct yaml *value);
