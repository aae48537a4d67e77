#include "userspace/route/sni_match.h"

#include <stdlib.h>

#include "tests/harness/test.h"
#include "userspace/route/host_match.h"

static const struct upstream exact = { .name = "exact" }, longer = { .name = "longer" },
			     shorter = { .name = "shorter" }, rest = { .name = "rest" };

/* Name of the upstream that has it; "name" or "protocol" where none has. */
static const char *find(const struct listener *l, const char *name, const char *offers)
{
	struct sni_ask ask = { .name = span_of(name) };
	const struct sni_route *got;
	enum sni_miss miss;

	CHECK(sni_match_offer(&ask, span_of(offers)));
	got = sni_match_find(l, &ask, &miss);
	CHECK_INT(miss == SNI_MISS_NONE, got != NULL);
	return got ? got->upstream->name : miss == SNI_MISS_NAME ? "name" : "protocol";
}

TEST(the_order_of_server_names_is_no_matter)
{
	static const struct sni_route sni[] = { { "a.x.example.com", &exact },
						{ "*.x.example.com", &longer },
						{ "*.example.com", &shorter },
						{ "default", &rest } };
	struct listener all = { .sni = sni, .sni_count = 4 };
	struct listener no_default = { .sni = sni, .sni_count = 3 };
	struct arena *arena = arena_create();

	sni_match_compile(arena, &all);
	sni_match_compile(arena, &no_default);
	CHECK_STR(find(&all, "a.x.example.com", ""), "exact");
	CHECK_STR(find(&all, "b.x.example.com", ""), "longer");
	CHECK_STR(find(&all, "b.example.com", ""), "shorter");
	CHECK_STR(find(&all, "default", ""), "rest"); /* by default, not by name */
	CHECK_STR(find(&no_default, "b.example.com", ""), "shorter");
	CHECK_STR(find(&no_default, "other", ""), "name");
	CHECK_STR(find(&no_default, "", ""), "name");
	CHECK_STR(find(&all, "A.X.example.COM.", ""), "exact");
	CHECK_STR(find(&all, "a.b.x.example.com", ""), "longer");
	CHECK_STR(find(&no_default, "x.example.com", ""), "shorter"); /* not below itself */
	CHECK_STR(find(&no_default, "example.com", ""), "name");
	CHECK_STR(find(&no_default, ".", ""), "name");
	CHECK_STR(find(&no_default, "default", ""), "name");
	arena_destroy(arena);
}

/* By looking at each of them. */
static const struct sni_route *best_of(const struct listener *l, const struct sni_ask *ask)
{
	const struct sni_route *best = NULL;
	uint64_t best_rank = 0;

	for (uint32_t i = 0; i < l->sni_count; i++) {
		const struct sni_route *e = &l->sni[i];
		uint64_t rank = strcmp(e->name, "default") == 0 ? 0 : host_rank(e->name);

		if (sni_match_try(e, ask) == SNI_MISS_NONE && (!best || rank > best_rank)) {
			best = e;
			best_rank = rank;
		}
	}
	return best;
}

TEST(looking_up_agrees_with_looking_at_each)
{
	enum { NAMES = 600, ASKED = 4000 };
	static char names[NAMES][32];
	static struct sni_route sni[2 * NAMES];
	static const char *protocols[] = { "h2" };
	struct listener l = { .sni = sni };
	struct arena *arena = arena_create();
	uint32_t found = 0;

	for (uint32_t i = 0; i < NAMES; i++) { /* of three labels, each of four letters */
		snprintf(names[i], sizeof(names[i]), "%s%c.%c%.*s", i % 2 ? "*." : "",
			 "abcd"[i / 2 % 4], "abcd"[i / 8 % 4], (int)(i / 32 % 2 * 2), ".a");
		for (uint32_t k = 0; k < l.sni_count; k++)
			if (strcmp(sni[k].name, names[i]) == 0)
				names[i][0] = '\0';
		if (!names[i][0])
			continue;
		sni[l.sni_count++] = (struct sni_route){ .name = names[i],
							 .protocols = protocols,
							 .protocol_count = 1 };
		if (i % 3 == 0)
			sni[l.sni_count++] = (struct sni_route){ .name = names[i] };
	}
	sni_match_compile(arena, &l);
	for (uint32_t i = 0; i < ASKED; i++) {
		struct sni_ask ask = { 0 };
		enum sni_miss miss;
		char name[32];

		snprintf(name, sizeof(name), "%c.%c.%c.%c", "abcd"[i % 4], "abcd"[i / 4 % 4],
			 "abcd"[i / 16 % 4], "abcd"[i / 64 % 4]);
		CHECK(sni_match_offer(&ask, span_of(i % 3 ? "h2" : "h3")));
		ask.name = span_of(name + i / 256 % 4 * 2);
		CHECK(sni_match_find(&l, &ask, &miss) == best_of(&l, &ask));
		found += miss == SNI_MISS_NONE;
	}
	CHECK(found > ASKED / 10 && found < ASKED);
	arena_destroy(arena);
}

static const char by_protocol[] =
	"upstreams: { a: { endpoints: [] }, b: { endpoints: [] }, c: { endpoints: [] },\n"
	"  d: { endpoints: [] }, e: { endpoints: [] } }\n"
	"vips: [ { name: v, addresses: [10.0.0.1], listeners: [ { port: 1, protocol: "
	"tls-passthrough, sni: {\n"
	"  default: [ { alpn: acme-tls/1, upstream: e }, d ],\n"
	"  \"*.example.com\": b,\n"
	"  \"*.x.example.com\": { alpn: [h2, http/1.1], upstream: c },\n"
	"  A.example.com: [ { alpn: acme-tls/1, upstream: e }, { alpn: [h2], upstream: c }, "
	"{ upstream: a } ],\n"
	"  only.example.org: [ { alpn: h2, upstream: a }, { alpn: h3, upstream: b } ] } } ] } ]\n";

TEST(protocols_decide_within_a_name_and_the_next_name_has_who_offers_none_of_them)
{
	static const struct {
		const char *name, *sni, *offers, *want;
	} rows[] = {
		{ "no protocols", "a.example.com", "", "a" },
		{ "another one", "a.example.com", "http/1.1", "a" },
		{ "the first", "a.example.com", "acme-tls/1", "e" },
		{ "the second", "a.example.com", "http/1.1,h2", "c" },
		{ "both, in our order", "a.example.com", "h2,acme-tls/1", "e" },
		{ "case matters", "a.example.com", "H2", "a" },
		{ "all of it", "a.example.com", "h2c,h,acme-tls/1x", "a" },
		{ "one of a list", "y.x.example.com", "http/1.1", "c" },
		{ "none of it: the shorter suffix", "y.x.example.com", "h3", "b" },
		{ "without any: the shorter suffix", "y.x.example.com", "", "b" },
		{ "default", "other", "", "d" },
		{ "default's protocol", "other", "h2,acme-tls/1", "e" },
		{ "no name", "", "acme-tls/1", "e" },
		{ "none of an exact name: default", "only.example.org", "http/1.1", "d" },
	};
	struct findings findings = { 0 };
	struct model *model = model_load_text("f", by_protocol, sizeof(by_protocol) - 1, &findings);

	CHECK_STR(findings.count ? findings.list[0].text : "", "");
	FOR_ROWS (row, rows)
		CHECK_STR(find(&model->vips[0].listeners[0], row->sni, row->offers), row->want);
	model_destroy(model);
}

TEST(a_name_that_is_there_for_other_protocols_is_told_from_one_that_is_not)
{
	static const char *one[] = { "h2" };
	static const struct sni_route sni[] = { { "a.example.com", &exact, one, 1 },
						{ "*.example.com", &longer, one, 1 } };
	struct listener l = { .sni = sni, .sni_count = 2 };
	struct arena *arena = arena_create();

	sni_match_compile(arena, &l);
	CHECK_STR(find(&l, "a.example.com", "h2"), "exact");
	CHECK_STR(find(&l, "a.example.com", ""), "protocol");
	CHECK_STR(find(&l, "b.example.com", "http/1.1"), "protocol");
	CHECK_STR(find(&l, "a.example.org", "h2"), "name");
	arena_destroy(arena);
}

TEST(what_a_client_offers_is_a_list)
{
	static const struct {
		const char *name, *text;
		int want; /* how many; negative: it is none */
	} rows[] = {
		{ "nothing", "", 0 },
		{ "one", "h2", 1 },
		{ "several", "h2,http/1.1,a b", 3 },
		{ "as many as may be", "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16", 16 },
		{ "too many", "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17", -1 },
		{ "an empty one", ",", -1 },
		{ "an empty one behind", "h2,", -1 },
		{ "an empty one in front", ",h2", -1 },
		{ "an empty one between", "h2,,h3", -1 },
	};
	char text[ALPN_BYTES_MAX + 2];
	struct sni_ask ask;

	FOR_ROWS (row, rows) {
		ask = (struct sni_ask){ .protocol_count = 7 };
		CHECK_INT(sni_match_offer(&ask, span_of(row->text)), row->want >= 0);
		CHECK_INT(ask.protocol_count, row->want < 0 ? 7 : row->want);
	}
	memset(text, 'x', sizeof(text));
	CHECK(sni_match_offer(&ask, span_make(text, ALPN_BYTES_MAX)));
	CHECK(!sni_match_offer(&ask, span_make(text, ALPN_BYTES_MAX + 1)));
}

/* What is wrong with the entries of the server name "a". */
static void findings_of(const char *entries, struct findings *out)
{
	char text[2048];

	*out = (struct findings){ 0 };
	snprintf(text, sizeof(text),
		 "upstreams: { u: { endpoints: [] }, w: { endpoints: [] } }\n"
		 "vips: [ { name: v, addresses: [10.0.0.1], listeners: [ { port: 1, protocol: "
		 "tls-passthrough, sni: {\n  %s } } ] } ]\n",
		 entries);
	model_destroy(model_load_text("f", text, strlen(text), out));
}

TEST(entries_that_make_no_sense_are_refused)
{
	static const struct {
		const char *name, *text, *want;
	} rows[] = {
		{ "behind one for all", "a: [ u, { alpn: h2, upstream: w } ]",
		  "f:3:11: this can never match: an entry of \"a\" before it (line 3) has no "
		  "\"alpn\" "
		  "and takes all of its clients" },
		{ "two for all", "a: [ u, w ]",
		  "f:3:11: this can never match: an entry of \"a\" before it (line 3) has no "
		  "\"alpn\" "
		  "and takes all of its clients" },
		{ "a protocol in two entries",
		  "a: [ { alpn: [h2, h3], upstream: u }, { alpn: h3, upstream: w } ]",
		  "f:3:41: an entry of \"a\" before it (line 3) takes all clients that offer "
		  "\"h3\"" },
		{ "a protocol twice in one", "a: { alpn: [h2, h2], upstream: u }",
		  "f:3:6: the protocol \"h2\" is named twice" },
		{ "no protocols", "a: { alpn: [], upstream: u }",
		  "f:3:14: expected 1 to 16 protocols for \"alpn\", found 0" },
		{ "an empty protocol", "a: { alpn: \"\", upstream: u }",
		  "f:3:15: expected a protocol of 1 to 255 bytes such as h2 for \"alpn\", found "
		  "\"\"" },
		{ "a map for a protocol", "a: { alpn: [ { x: y } ], upstream: u }",
		  "f:3:16: expected a protocol of 1 to 255 bytes such as h2 for \"alpn\", found a "
		  "map" },
		{ "no entries", "a: []", "f:3:6: expected 1 to 16 entries for \"a\", found 0" },
		{ "too many entries", "a: [ u,u,u,u,u,u,u,u,u,u,u,u,u,u,u,u,u ]",
		  "f:3:6: expected 1 to 16 entries for \"a\", found 17" },
		{ "no upstream", "a: [ { alpn: h2 } ]",
		  "f:3:8: expected the key \"upstream\" here, found none" },
		{ "an upstream that there is not", "a: [ { alpn: h2, upstream: x } ]",
		  "f:3:30: there is no upstream \"x\"; did you mean \"u\"?" },
		{ "another key", "a: { alpn: h2, upstrem: u, upstream: u }",
		  "f:3:18: unknown key \"upstrem\"; did you mean \"upstream\"?" },
		{ "a name in two spellings", "a: u, A: w",
		  "f:3:9: the server name \"a\" is there twice (line 3)" },
		{ "the same, capitals first", "A: u, a: w",
		  "f:3:9: the server name \"a\" is there twice (line 3)" },
		{ "a list of protocols in one text", "a: { alpn: 'h2,h3', upstream: u }",
		  "f:3:15: \"h2,h3\" would be one protocol; write several as a list such as "
		  "[h2, http/1.1]" },
		{ "a name with a port", "'a:443': u",
		  "f:3:4: expected a server name of TLS (SNI), without port, found "
		  "\"a:443\": no client asks for that" },
	};
	struct findings findings;

	FOR_ROWS (row, rows) {
		findings_of(row->text, &findings);
		CHECK_STR(findings.count ? findings.list[0].text : "", row->want);
		CHECK_INT(findings.count, 1);
	}
}
