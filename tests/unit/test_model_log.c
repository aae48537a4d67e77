#include "tests/harness/test.h"
#include "userspace/model/model.h"

#define LISTENER(more)                                                                             \
	"upstreams: { a: { endpoints: [ { address: \"10.0.0.1:80\" } ] } }\n"                      \
	"routes: { r: [ { name: x, upstream: a } ] }\n"                                            \
	"vips: [ { name: v, addresses: [10.1.1.1], listeners: [ { port: 80, " more " } ] } ]\n"
#define HTTP(more) LISTENER("protocol: http, routes: r" more)

static struct model *load(const char *text, struct findings *findings)
{
	*findings = (struct findings){ 0 };
	return model_load_text("/etc/f", text, strlen(text), findings);
}

TEST(the_log_goes_where_it_is_told_and_is_off_by_default)
{
	static const struct {
		const char *name, *text, *access;
		enum log_level level;
		bool hide_query;
		uint32_t headers;
	} rows[] = {
		{ "nothing", "{}", "", LOG_INFO, false, 0 },
		{ "off", "log: { access: off }", "", LOG_INFO, false, 0 },
		{ "standard output", "log: { access: stdout }", "stdout", LOG_INFO, false, 0 },
		{ "a file", "log: { access: /var/log/a }", "/var/log/a", LOG_INFO, false, 0 },
		{ "a file beside ours", "log: { access: a.log }", "/etc/a.log", LOG_INFO, false,
		  0 },
		{ "a socket", "log: { access: \"syslog:/dev/log\" }", "syslog:/dev/log", LOG_INFO,
		  false, 0 },
		{ "a level", "log: { level: error }", "", LOG_ERROR, false, 0 },
		{ "a query shown", "log: { query: show }", "", LOG_INFO, false, 0 },
		{ "a query hidden", "log: { query: hide }", "", LOG_INFO, true, 0 },
		{ "fields", "log: { headers: [User-Agent, Referer] }", "", LOG_INFO, false, 2 },
	};

	FOR_ROWS (row, rows) {
		struct findings findings;
		struct model *m = load(row->text, &findings);

		if (!m)
			test_fail(__FILE__, __LINE__, "%s", findings.list[0].text);
		CHECK_STR(m->log.access ? m->log.access : "", row->access);
		CHECK_INT(m->log.level, row->level);
		CHECK_INT(m->log.hide_query, row->hide_query);
		CHECK_INT(m->log.header_count, row->headers);
		model_destroy(m);
	}
}

TEST(names_of_requests_are_kept_as_told)
{
	static const struct {
		const char *name, *text, *header;
		enum request_id_take take;
		bool forward, answer;
	} rows[] = {
		{ "nothing", HTTP(""), "X-Request-ID", REQUEST_ID_TRUSTED, true, false },
		{ "an empty map", HTTP(", request_id: {}"), "X-Request-ID", REQUEST_ID_TRUSTED,
		  true, false },
		{ "another field", HTTP(", request_id: { header: X-Name }"), "X-Name",
		  REQUEST_ID_TRUSTED, true, false },
		{ "of anybody", HTTP(", request_id: { take: any, return: true }"), "X-Request-ID",
		  REQUEST_ID_ANY, true, true },
		{ "of nobody", HTTP(", request_id: { take: none, forward: false }"), "X-Request-ID",
		  REQUEST_ID_NONE, false, false },
	};

	FOR_ROWS (row, rows) {
		struct findings findings;
		struct model *m = load(row->text, &findings);
		const struct listener_request_id *id;

		if (!m)
			test_fail(__FILE__, __LINE__, "%s", findings.list[0].text);
		id = &m->vips[0].listeners[0].request_id;
		CHECK_STR(id->header, row->header);
		CHECK_INT(id->take, row->take);
		CHECK_INT(id->forward, row->forward);
		CHECK_INT(id->answer, row->answer);
		model_destroy(m);
	}
}

TEST(wrong_values_are_refused_with_a_sentence)
{
	static const struct {
		const char *name, *text, *want;
	} rows[] = {
		{ "a level", "log: { level: loud }", "error" },
		{ "a socket without a path", "log: { access: \"syslog:\" }", "absolute path" },
		{ "a socket beside ours", "log: { access: \"syslog:log\" }", "absolute path" },
		{ "a query", "log: { query: no }", "hide" },
		{ "passwords", "log: { headers: [Authorization] }", "never logged" },
		{ "cookies, whatever the case", "log: { headers: [COOKIE] }", "never logged" },
		{ "answers' cookies", "log: { headers: [Set-Cookie] }", "never logged" },
		{ "a key", "log: { headers: [X-Api-Key] }", "never logged" },
		{ "a token", "log: { headers: [X-CSRF-Token] }", "never logged" },
		{ "no name", "log: { headers: [\"a b\"] }", "name of a header field" },
		{ "no list", "log: { headers: a }", "a list of header fields" },
		{ "too many", "log: { headers: [a, b, c, d, e, f, g, h, i] }", "at most 8" },
		{ "an unknown key", "log: { acces: off }", "access" },
		{ "a field with a meaning", HTTP(", request_id: { header: Host }"),
		  "no other meaning" },
		{ "one with a secret", HTTP(", request_id: { header: Cookie }"),
		  "no other meaning" },
		{ "no field", HTTP(", request_id: { header: \"a b\" }"), "no other meaning" },
		{ "whom", HTTP(", request_id: { take: some }"), "trusted" },
		{ "no HTTP", LISTENER("protocol: tcp-proxy, upstream: a, request_id: {}"),
		  "request_id" },
	};

	FOR_ROWS (row, rows) {
		struct findings findings;

		CHECK(!load(row->text, &findings));
		if (!strstr(findings.list[0].text, row->want))
			test_fail(__FILE__, __LINE__, "%s: %s lacks \"%s\"", row->name,
				  findings.list[0].text, row->want);
	}
}
