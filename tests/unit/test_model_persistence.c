/* persistence: of an upstream */
#include <string.h>

#include "tests/harness/test.h"
#include "userspace/model/model.h"

#define UPSTREAM(keys)                                                                             \
	"upstreams: { a: { endpoints: [ { address: \"10.0.0.1:80\" } ],\n persistence: { " keys    \
	" } } }\n"

static struct model *load(const char *text, struct findings *findings)
{
	*findings = (struct findings){ 0 };
	return model_load_text("f", text, strlen(text), findings);
}

TEST(a_cookie_is_dressed_as_written_and_else_as_is_usual)
{
	static const struct {
		const char *name, *text, *attributes;
		enum cookie_secure secure;
	} rows[] = {
		{ "usual", UPSTREAM("cookie: S"), "; Path=/; HttpOnly; SameSite=Lax",
		  COOKIE_SECURE_AUTO },
		{ "all",
		  UPSTREAM("cookie: S, path: /shop, max_age: 12h, http_only: false, "
			   "same_site: strict, secure: never"),
		  "; Path=/shop; Max-Age=43200; SameSite=Strict", COOKIE_SECURE_NEVER },
		{ "to other sites", UPSTREAM("cookie: S, same_site: none, secure: always"),
		  "; Path=/; HttpOnly; SameSite=None", COOKIE_SECURE_ALWAYS },
	};

	FOR_ROWS (row, rows) {
		struct findings findings;
		struct model *model = load(row->text, &findings);
		const struct persistence *p;

		CHECK_STR(findings.list[0].text, "");
		p = &model->upstreams[0].persistence;
		CHECK_INT(p->kind, PERSISTENCE_COOKIE);
		CHECK_STR(p->cookie, "S");
		CHECK_STR(p->attributes, row->attributes);
		CHECK_INT(p->secure, row->secure);
		model_destroy(model);
	}
}

TEST(other_ways_are_read)
{
	struct findings findings;
	struct model *model = load(UPSTREAM("application_cookie: JSESSIONID"), &findings);

	CHECK_STR(findings.list[0].text, "");
	CHECK_INT(model->upstreams[0].persistence.kind, PERSISTENCE_APPLICATION);
	CHECK_STR(model->upstreams[0].persistence.cookie, "JSESSIONID");
	model_destroy(model);
	model = load(UPSTREAM("hash_on: \"header:X-User\""), &findings);
	CHECK_STR(findings.list[0].text, "");
	CHECK_INT(model->upstreams[0].persistence.kind, PERSISTENCE_HASH);
	CHECK_INT(model->upstreams[0].persistence.hash_on.kind, KEY_HEADER);
	CHECK_STR(model->upstreams[0].persistence.hash_on.name, "X-User");
	model_destroy(model);
}

TEST(what_makes_no_sense_is_said)
{
	static const struct {
		const char *name, *text, *want;
	} rows[] = {
		{ "nothing", UPSTREAM(""),
		  "f:2:15: expected one of cookie, application_cookie, hash_on for "
		  "\"persistence\", found none" },
		{ "two", UPSTREAM("cookie: S, hash_on: client-address"),
		  "f:2:15: expected one of cookie, application_cookie, hash_on for "
		  "\"persistence\", found two" },
		{ "no name", UPSTREAM("cookie: \"a b\""),
		  "f:2:26: expected the name of a cookie of at most 64 bytes for \"cookie\", "
		  "found \"a b\"" },
		{ "no path", UPSTREAM("cookie: S, path: \"/a;b\""),
		  "f:2:35: expected a path such as /shop of at most 128 bytes, without blanks and "
		  "semicolons, for \"path\", found \"/a;b\"" },
		{ "half a second", UPSTREAM("cookie: S, max_age: 1500ms"),
		  "f:2:37: expected whole seconds for \"max_age\", found \"1500ms\"" },
		{ "for ever", UPSTREAM("cookie: S, max_age: 1000h"),
		  "f:2:37: expected a time from 1000ms to 2592000000ms for \"max_age\", found "
		  "\"1000h\"" },
		{ "same_site", UPSTREAM("cookie: S, same_site: loose"),
		  "f:2:39: expected one of lax, strict, none for \"same_site\", found \"loose\"" },
		{ "secure", UPSTREAM("cookie: S, secure: yes"),
		  "f:2:36: expected one of auto, always, never for \"secure\", found \"yes\"" },
		{ "dropped by browsers", UPSTREAM("cookie: S, same_site: none, secure: never"),
		  "f:2:15: browsers drop a cookie with \"same_site: none\" that is not secure; "
		  "remove \"secure: never\"" },
		{ "attributes of nothing of ours", UPSTREAM("application_cookie: S, path: /x"),
		  "f:2:15: path, max_age, http_only, same_site and secure are of \"cookie\", which "
		  "is shunt's own" },
		{ "what to hash", UPSTREAM("hash_on: moon"),
		  "f:2:26: expected client-address, tls-session, path, header:NAME, cookie:NAME or "
		  "query:NAME for \"hash_on\", found \"moon\"" },
	};

	FOR_ROWS (row, rows) {
		struct findings findings;
		struct model *model = load(row->text, &findings);

		CHECK(!model);
		CHECK_STR(findings.list[0].text, row->want);
		model_destroy(model);
	}
}
