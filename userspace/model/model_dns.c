/* dns: and endpoints that are written as names: one for each address that the name has now. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/model/model_parts.h"
#include "userspace/model/resolution.h"

enum {
	SERVER_PORT = 53,
	TIMEOUT_MS_MAX = 30000,
	TTL_MS_MIN = 1000,
	TTL_MS_MAX = 86400000,
	HOLD_MS_MAX = 3600000,
	WEIGHT_MOST = 1000,
	PRIORITY_LAST = 15
};

static void read_servers(struct reading *r, const struct key *key, const struct yaml *value,
			 void *into)
{
	struct dns *dns = into;

	(void)key;
	if (!schema_is(r, value, YAML_LIST, "a list of name servers such as [192.0.2.53]"))
		return;
	for (const struct yaml *v = value->first; v; v = v->next) {
		struct addr *server = &dns->servers[dns->server_count];
		struct span text = span_of(v->kind == YAML_TEXT ? v->text : "");

		if (dns->server_count == DNS_SERVERS_MAX)
			finding(r, v->at, "expected at most %d name servers", DNS_SERVERS_MAX);
		else if (!addr_parse(text, server) && !addr_parse_ip(text, server))
			finding(r, v->at,
				"expected the address of a name server such as 192.0.2.53 or "
				"\"192.0.2.53:5353\", found %s",
				schema_found(v));
		else
			dns->server_count++;
		if (!server->port)
			server->port = htons(SERVER_PORT);
	}
}

/* Copied, as who looks names up outlives the model; without padding that is not 0, as whether it is
 * another one is told by its bytes. */
static void read_allowed(struct reading *r, const struct key *key, const struct yaml *value,
			 void *into)
{
	struct network_list list = { 0 };
	struct dns *dns = into;

	read_networks(r, key, value, &list);
	if (list.count > DNS_NETWORKS_MAX) {
		finding(r, value->at, "expected at most %d networks for \"%s\", found %u",
			DNS_NETWORKS_MAX, key->name, list.count);
		return;
	}
	for (uint32_t i = 0; i < list.count; i++) {
		memcpy(dns->allow[i].ip, list.networks[i].ip, sizeof(dns->allow[i].ip));
		dns->allow[i].bits = list.networks[i].bits;
	}
	dns->allow_count = list.count;
}

static void read_family(struct reading *r, const struct key *key, const struct yaml *value,
			void *into)
{
	static const char *const names[] = { "auto", "ipv4", "ipv6", "both", NULL };
	uint32_t word = word_of(r, key, value, names);

	if (word != UINT32_MAX)
		*(enum dns_family *)into = (enum dns_family)word;
}

const struct key dns_keys[] = {
	{ "servers", read_servers },
	{ "family", read_family, offsetof(struct dns, family) },
	{ "timeout", read_duration, offsetof(struct dns, timeout_ms), 100, TIMEOUT_MS_MAX },
	{ "ttl_least", read_duration, offsetof(struct dns, ttl_least_ms), TTL_MS_MIN, TTL_MS_MAX },
	{ "ttl_most", read_duration, offsetof(struct dns, ttl_most_ms), TTL_MS_MIN, TTL_MS_MAX },
	{ "allow", read_allowed },
	{ "hold", read_duration, offsetof(struct dns, hold_ms), 0, HOLD_MS_MAX },
	{ 0 },
};

void build_dns(struct building *b, const struct yaml *section)
{
	struct dns *dns = &b->model->dns;

	dns->timeout_ms = 2000;
	dns->ttl_least_ms = TTL_MS_MIN;
	dns->ttl_most_ms = 3600000;
	dns->hold_ms = 10000;
	if (section)
		schema_read(&b->reading, dns_keys, section, dns);
	if (dns->ttl_least_ms > dns->ttl_most_ms)
		finding(&b->reading, section->at, "\"ttl_least\" is longer than \"ttl_most\"");
}

/* Letters, digits, hyphens and underscores between single dots; one may stand at the end. */
static bool is_name(const char *text)
{
	size_t len = strlen(text);

	if (len == 0 || len > DNS_NAME_MAX || text[0] == '.' || strstr(text, ".."))
		return false;
	for (; *text; text++)
		if (!isalnum((unsigned char)*text) && !strchr("-._", *text))
			return false;
	return true;
}

static char *name_take(struct reading *r, struct span text)
{
	char *name = arena_text(r->arena, text);

	for (char *c = name; *c; c++)
		*c = span_lower(*c);
	return name;
}

/* --- endpoints ----------------------------------------------------------------------------- */

/* "api.example.com:8080", whose last label is no number, so that a mistyped address is none. */
static bool host_parse(struct reading *r, const char *text, struct endpoint *e)
{
	const char *colon = strrchr(text, ':'), *last;
	unsigned long port;
	char *end, *name;

	if (!colon || colon == text || colon - text > DNS_NAME_MAX)
		return false;
	port = strtoul(colon + 1, &end, 10);
	if (*end || !colon[1] || colon[1] == '+' || colon[1] == '-' || port < 1 ||
	    port > UINT16_MAX)
		return false;
	name = name_take(r, span_make(text, (size_t)(colon - text)));
	last = strrchr(name, '.');
	last = last ? last + 1 : name;
	if (!is_name(name) || last[strspn(last, "0123456789")] == 0)
		return false;
	e->name = name;
	e->address.port = htons((uint16_t)port);
	return true;
}

void read_endpoint_address(struct reading *r, const struct key *key, const struct yaml *value,
			   void *into)
{
	struct endpoint *e = into;

	if (value->kind == YAML_TEXT &&
	    (addr_parse(span_of(value->text), &e->address) || host_parse(r, value->text, e)))
		return;
	finding(r, value->at,
		"expected an address with port such as 10.0.0.5:80, \"[2001:db8::5]:80\" or "
		"api.example.com:80 for \"%s\", found %s",
		key->name, schema_found(value));
}

/* "_http._tcp.example.com" (RFC 2782). */
void read_endpoint_srv(struct reading *r, const struct key *key, const struct yaml *value,
		       void *into)
{
	struct endpoint *e = into;
	const char *text = value->kind == YAML_TEXT ? value->text : "";
	const char *protocol = strchr(text, '.');

	if (text[0] != '_' || !protocol || protocol[1] != '_' || !is_name(text)) {
		finding(r, value->at,
			"expected a service such as _http._tcp.example.com for \"%s\", found %s",
			key->name, schema_found(value));
		return;
	}
	e->name = name_take(r, span_of(text));
	e->name_kind = NAME_SRV;
}

static void note_name(struct building *b, const struct endpoint *e)
{
	struct model *m = b->model;

	for (uint32_t i = 0; i < m->name_count; i++)
		if (m->names[i].kind == e->name_kind && strcmp(m->names[i].text, e->name) == 0)
			return;
	if (!m->names)
		m->names = arena_take(m->arena, DNS_NAMES_MAX * sizeof(m->names[0]));
	if (m->name_count == DNS_NAMES_MAX)
		finding(&b->reading, e->at, "expected at most %d names as endpoints",
			DNS_NAMES_MAX);
	else
		m->names[m->name_count++] = (struct model_name){ e->name, e->name_kind };
}

static bool has_endpoint(const struct upstream *u, const struct addr *address)
{
	for (uint32_t i = 0; i < u->endpoint_count; i++)
		if (!u->endpoints[i].vpc && addr_is(&u->endpoints[i].address, address))
			return true;
	return false;
}

/* Of 0 to 65535 as compared with the others (RFC 2782), so that the largest is 1000. */
static uint32_t weight_of(const struct name_answer *answers, uint32_t count, uint32_t i)
{
	uint32_t most = 0, weight;

	for (uint32_t k = 0; k < count; k++)
		most = answers[k].weight > most ? answers[k].weight : most;
	if (!most)
		return 1;
	weight = (answers[i].weight * WEIGHT_MOST + most / 2) / most;
	return weight ? weight : 1; /* a small chance, as RFC 2782 has it */
}

/* Only their order matters: how many smaller ones there are. */
static uint32_t priority_of(const struct name_answer *answers, uint32_t count, uint32_t i)
{
	uint32_t before = 0;

	for (uint32_t k = 0; k < count; k++) {
		bool first = answers[k].priority < answers[i].priority;

		for (uint32_t n = 0; n < k && first; n++)
			first = answers[n].priority != answers[k].priority;
		before += first;
	}
	return before;
}

static uint32_t find(const struct building *b, const struct endpoint *as,
		     const struct name_answer **out_answers)
{
	const struct resolution *resolution = b->resolution;

	return resolution
		       ? resolution->find(resolution->context, as->name_kind, as->name, out_answers)
		       : 0;
}

uint32_t endpoints_most(const struct building *b, const struct endpoint *as)
{
	const struct name_answer *ignored;

	return find(b, as, &ignored);
}

void endpoints_of_name(struct building *b, struct upstream *u, const struct endpoint *as)
{
	const struct name_answer *answers = NULL;
	uint32_t count = find(b, as, &answers);

	u->has_names = true;
	note_name(b, as);
	for (uint32_t i = 0; i < count; i++) {
		struct endpoint *e = &u->endpoints[u->endpoint_count];
		struct addr address = answers[i].address;

		if (as->name_kind == NAME_HOST)
			address.port = as->address.port;
		if (has_endpoint(u, &address))
			continue;
		*e = *as;
		e->address = address;
		e->host = address;
		e->host.port = 0;
		e->index = b->model->endpoint_count++;
		if (as->name_kind == NAME_SRV) {
			e->weight = as->weight ? weight_of(answers, count, i) : 0;
			e->priority += priority_of(answers, count, i);
			e->priority = e->priority > PRIORITY_LAST ? PRIORITY_LAST : e->priority;
		}
		u->endpoint_count++;
	}
}
