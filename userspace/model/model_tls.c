/* certificates:, and tls: of listeners and upstreams. Files are opened later, by tls/. */
#include <string.h>

#include "userspace/http/field.h"
#include "userspace/model/model_parts.h"

void read_path_text(struct reading *r, const struct key *key, const struct yaml *value, void *into)
{
	const char *text = NULL, *slash = strrchr(value->at.file, '/');
	size_t folder = slash ? (size_t)(slash - value->at.file) + 1 : 0;
	char *path;

	read_text(r, key, value, &text);
	if (!text)
		return;
	if (text[0] == '/')
		folder = 0;
	path = arena_take(r->arena, folder + strlen(text) + 1);
	memcpy(path, value->at.file, folder);
	memcpy(path + folder, text, strlen(text));
	*(const char **)into = path;
}

void read_bool(struct reading *r, const struct key *key, const struct yaml *value, void *into)
{
	static const char *const names[] = { "false", "true", NULL };
	uint32_t word = word_of(r, key, value, names);

	if (word != UINT32_MAX)
		*(bool *)into = word == 1;
}

const struct key certificate_keys[] = {
	{ "chain", read_path_text, offsetof(struct certificate, chain), .required = true },
	{ "key", read_path_text, offsetof(struct certificate, key), .required = true },
	{ "ocsp", read_path_text, offsetof(struct certificate, ocsp) },
	{ 0 },
};

void build_certificates(struct building *b, const struct yaml *section)
{
	struct model *m = b->model;

	if (!section || !schema_is(&b->reading, section, YAML_MAP, "a map of certificates by name"))
		return;
	m->certificates = arena_take(m->arena, section->count * sizeof(m->certificates[0]));
	for (const struct yaml *v = section->first; v; v = v->next) {
		struct certificate *c = &m->certificates[m->certificate_count++];

		c->name = v->key;
		c->at = v->key_at;
		schema_read(&b->reading, certificate_keys, v, c);
	}
}

void read_certificates(struct reading *r, const struct key *key, const struct yaml *value,
		       void *into)
{
	struct listener_tls *tls = into;

	(void)key;
	if (!schema_is(r, value, YAML_LIST, "a list of names of certificates"))
		return;
	tls->certificates = arena_take(r->arena, value->count * sizeof(tls->certificates[0]));
	for (const struct yaml *v = value->first; v; v = v->next)
		tls->certificates[tls->certificate_count++] =
			building_certificate(building_of(r), v);
}

static void read_version(struct reading *r, const struct key *key, const struct yaml *value,
			 void *into)
{
	static const char *const names[] = { "1.2", "1.3", NULL };
	uint32_t word = word_of(r, key, value, names);

	if (word != UINT32_MAX)
		*(enum tls_version *)into = (enum tls_version)word;
}

static void read_client_certificate(struct reading *r, const struct key *key,
				    const struct yaml *value, void *into)
{
	static const char *const names[] = { "none", "optional", "required", NULL };
	uint32_t word = word_of(r, key, value, names);

	if (word != UINT32_MAX)
		*(enum client_certificate *)into = (enum client_certificate)word;
}

static void read_field_name(struct reading *r, const struct key *key, const struct yaml *value,
			    void *into)
{
	const char *text = NULL;

	read_text(r, key, value, &text);
	if (text && !span_is_all(span_of(text), BYTE_TOKEN))
		finding(r, value->at, "expected the name of a field for \"%s\", found %s",
			key->name, schema_found(value));
	*(const char **)into = text;
}

const struct key listener_tls_keys[] = {
	{ "min_version", read_version, offsetof(struct listener_tls, min_version) },
	{ "client_ca", read_path_text, offsetof(struct listener_tls, client_ca) },
	{ "client_certificate", read_client_certificate,
	  offsetof(struct listener_tls, client_certificate) },
	{ "client_subject", read_field_name, offsetof(struct listener_tls, client_subject) },
	{ 0 },
};

void read_listener_tls(struct reading *r, const struct key *key, const struct yaml *value,
		       void *into)
{
	struct listener_tls *tls = into;

	(void)key;
	schema_read(r, listener_tls_keys, value, tls);
	if (tls->client_ca && !yaml_get(value, "client_certificate"))
		tls->client_certificate = CLIENT_CERTIFICATE_REQUIRED;
}

static void read_own_certificate(struct reading *r, const struct key *key, const struct yaml *value,
				 void *into)
{
	(void)key;
	*(const struct certificate **)into = building_certificate(building_of(r), value);
}

static void read_verify(struct reading *r, const struct key *key, const struct yaml *value,
			void *into)
{
	bool verify = true;

	read_bool(r, key, value, &verify);
	*(bool *)into = !verify;
}

static void read_server_name(struct reading *r, const struct key *key, const struct yaml *value,
			     void *into)
{
	(void)key;
	*(const char **)into = host_of(r, value, false);
}

const struct key upstream_tls_keys[] = {
	{ "name", read_server_name, offsetof(struct upstream_tls, name) },
	{ "ca", read_path_text, offsetof(struct upstream_tls, ca) },
	{ "verify", read_verify, offsetof(struct upstream_tls, skip_verify) },
	{ "certificate", read_own_certificate, offsetof(struct upstream_tls, certificate) },
	{ 0 },
};

void read_upstream_tls(struct reading *r, const struct key *key, const struct yaml *value,
		       void *into)
{
	struct upstream_tls *tls = into;

	(void)key;
	schema_read(r, upstream_tls_keys, value, tls);
	tls->used = true;
	if (value->kind == YAML_MAP && !tls->name && !tls->skip_verify)
		finding(r, value->at,
			"\"tls\" of an upstream needs \"name\", which its certificate must have, "
			"or "
			"\"verify: false\"");
}
