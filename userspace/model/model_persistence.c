/* persistence: of an upstream */
#include <stdio.h>
#include <string.h>

#include "userspace/http/field.h"
#include "userspace/model/model_parts.h"

enum { NAME_BYTES_MAX = 64, PATH_BYTES_MAX = 128, ATTRIBUTES_BYTES_MAX = 256 };

#define AGE_MAX_MS 2592000000u

static bool is_path(const char *text)
{
	bool good = text[0] == '/' && strlen(text) <= PATH_BYTES_MAX;

	for (; good && *text; text++)
		good = *text > 0x20 && *text < 0x7f && *text != ';';
	return good;
}

static void read_cookie(struct reading *r, const struct key *key, const struct yaml *value,
			void *into)
{
	struct persistence *p = into;
	bool own = strcmp(key->name, "cookie") == 0;

	p->kinds++;
	p->kind = own ? PERSISTENCE_COOKIE : PERSISTENCE_APPLICATION;
	if (value->kind != YAML_TEXT || !value->text[0] || strlen(value->text) > NAME_BYTES_MAX ||
	    !span_is_all(span_of(value->text), BYTE_TOKEN))
		finding(r, value->at,
			"expected the name of a cookie of at most %d bytes for \"%s\", found %s",
			NAME_BYTES_MAX, key->name, schema_found(value));
	else
		p->cookie = value->text;
}

static void read_hash(struct reading *r, const struct key *key, const struct yaml *value,
		      void *into)
{
	struct persistence *p = into;

	p->kinds++;
	p->kind = PERSISTENCE_HASH;
	read_request_key(r, key, value, &p->hash_on);
}

static void read_cookie_path(struct reading *r, const struct key *key, const struct yaml *value,
			     void *into)
{
	struct persistence *p = into;

	p->dressed = true;
	if (value->kind == YAML_TEXT && is_path(value->text))
		p->path = value->text;
	else
		finding(r, value->at,
			"expected a path such as /shop of at most %d bytes, without blanks and "
			"semicolons, for \"%s\", found %s",
			PATH_BYTES_MAX, key->name, schema_found(value));
}

/* Browsers count in seconds. */
static void read_age(struct reading *r, const struct key *key, const struct yaml *value, void *into)
{
	struct persistence *p = into;

	p->dressed = true;
	read_duration(r, key, value, &p->max_age_ms);
	if (p->max_age_ms % 1000)
		finding(r, value->at, "expected whole seconds for \"%s\", found %s", key->name,
			schema_found(value));
}

static void read_http_only(struct reading *r, const struct key *key, const struct yaml *value,
			   void *into)
{
	struct persistence *p = into;
	bool http_only = true;

	p->dressed = true;
	read_bool(r, key, value, &http_only);
	p->scripts = !http_only;
}

static void read_same_site(struct reading *r, const struct key *key, const struct yaml *value,
			   void *into)
{
	static const char *const names[] = { "lax", "strict", "none", NULL };
	static const char *const written[] = { "Lax", "Strict", "None" };
	struct persistence *p = into;
	uint32_t word = word_of(r, key, value, names);

	p->dressed = true;
	if (word != UINT32_MAX)
		p->same_site = written[word];
}

static void read_secure(struct reading *r, const struct key *key, const struct yaml *value,
			void *into)
{
	static const char *const names[] = { "auto", "always", "never", NULL };
	struct persistence *p = into;
	uint32_t word = word_of(r, key, value, names);

	p->dressed = true;
	if (word != UINT32_MAX)
		p->secure = (enum cookie_secure)word;
}

const struct key persistence_keys[] = {
	{ "cookie", read_cookie },
	{ "application_cookie", read_cookie },
	{ "hash_on", read_hash },
	{ "path", read_cookie_path },
	{ "max_age", read_age, .min = 1000, .max = AGE_MAX_MS },
	{ "http_only", read_http_only },
	{ "same_site", read_same_site },
	{ "secure", read_secure },
	{ 0 },
};

static const char *attributes_of(struct reading *r, const struct persistence *p)
{
	char text[ATTRIBUTES_BYTES_MAX], age[32] = "";

	if (p->max_age_ms)
		snprintf(age, sizeof(age), "; Max-Age=%u", p->max_age_ms / 1000);
	snprintf(text, sizeof(text), "; Path=%s%s%s; SameSite=%s", p->path, age,
		 p->scripts ? "" : "; HttpOnly", p->same_site);
	return arena_text(r->arena, span_of(text));
}

void read_persistence(struct reading *r, const struct key *key, const struct yaml *value,
		      void *into)
{
	struct persistence *p = into;

	(void)key;
	*p = (struct persistence){ .path = "/", .same_site = "Lax" };
	schema_read(r, persistence_keys, value, p);
	if (value->kind != YAML_MAP)
		return;
	if (p->kinds != 1)
		finding(r, value->at,
			"expected one of cookie, application_cookie, hash_on for \"persistence\", "
			"found %s",
			schema_found_count(p->kinds));
	if (p->dressed && p->kinds == 1 && p->kind != PERSISTENCE_COOKIE)
		finding(r, value->at,
			"path, max_age, http_only, same_site and secure are of \"cookie\", which "
			"is shunt's own");
	if (strcmp(p->same_site, "None") == 0 && p->secure == COOKIE_SECURE_NEVER)
		finding(r, value->at,
			"browsers drop a cookie with \"same_site: none\" that is not secure; "
			"remove \"secure: never\"");
	p->attributes = attributes_of(r, p);
}
