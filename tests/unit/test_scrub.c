#include <stdio.h>

#include "tests/harness/test.h"
#include "userspace/http/h1_parser.h"
#include "userspace/http/scrub.h"

#define DROP   { UNDERSCORES_DROP }
#define REFUSE { UNDERSCORES_REFUSE }
#define KEEP   { UNDERSCORES_KEEP }
#define SET(n)                                                                                     \
	{                                                                                          \
		UNDERSCORES_KEEP,                                                                  \
		{                                                                                  \
			{ "X-Id", 4 }, { n, sizeof(n) - 1 }                                        \
		}                                                                                  \
	}

/* Names in order, with a space behind each. */
static void names_of(const struct message *msg, char *out, size_t cap)
{
	size_t len = 0;

	out[0] = 0;
	for (size_t i = 0; i < msg->field_count; i++)
		len += (size_t)snprintf(out + len, cap - len, "%.*s ",
					SPAN_ARG(msg->fields[i].name));
}

TEST(fields_that_would_be_taken_for_others_are_not_passed_on)
{
	static const struct {
		const char *name, *fields, *want; /* NULL: refused */
		struct scrub rules;
	} rows[] = {
		{ "nothing to do", "Accept: a\r\nX-B: c\r\n", "Host Accept X-B ", DROP },
		{ "a dropped one", "X_A: 1\r\nB: 2\r\n", "Host B ", DROP },
		{ "several", "_: 1\r\nB: 2\r\nC_: 3\r\n_d: 4\r\nE: 5\r\n", "Host B E ", DROP },
		{ "a length", "Content_Length: 5\r\n", "Host ", DROP },
		{ "httpoxy", "Proxy: http://evil.example/\r\nB: 2\r\n", "Host B ", DROP },
		{ "httpoxy in other letters", "pROXY: x\r\n", "Host ", KEEP },
		{ "httpoxy is no reason to refuse", "PROXY: x\r\nB: 2\r\n", "Host B ", REFUSE },
		{ "names that only begin so", "Proxy-Authorization: x\r\nProxyX: y\r\n",
		  "Host Proxy-Authorization ProxyX ", DROP },
		{ "a refused one", "A: 1\r\nX_A: 1\r\n", NULL, REFUSE },
		{ "none to refuse", "A: 1_1\r\n", "Host A ", REFUSE },
		{ "a kept one", "X_A: 1\r\n", "Host X_A ", KEEP },
		{ "one that looks like framing", "Transfer_Encoding: chunked\r\nX_A: 1\r\n",
		  "Host X_A ", KEEP },
		{ "one that looks like ours", "x_forwarded_for: 1.2.3.4\r\n", "Host ", KEEP },
		{ "one in both ways", "X-Forwarded_For: 1.2.3.4\r\n", "Host ", KEEP },
		{ "one that looks like what is set", "X_Subject: CN=admin\r\nX_S: 1\r\n",
		  "Host X_S ", SET("X-Subject") },
		{ "what is set itself has an underscore", "X_Subject: CN=admin\r\n", "Host ",
		  SET("X_Subject") },
		{ "one that looks like the other that is set", "X_ID: 1\r\nX_I: 1\r\n", "Host X_I ",
		  SET("X-Subject") },
		{ "one with dots", "X.Forwarded.For: 1.2.3.4\r\nX.Y: 1\r\n", "Host X.Y ", DROP },
		{ "one with other signs", "X~Forwarded!Proto: a\r\nContent|Length: 5\r\n", "Host ",
		  KEEP },
		{ "what is set, with a dot", "X.Subject: CN=admin\r\nX.S: 1\r\n", "Host X.S ",
		  SET("X-Subject") },
		{ "a dot is nothing to refuse", "X.A: 1\r\n", "Host X.A ", REFUSE },
		{ "one that is longer", "X_Subject_: CN=admin\r\n", "Host X_Subject_ ",
		  SET("X-Subject") },
		{ "a long one",
		  "A_23456789012345678901234567890123456789012345678901234567890123456789: 1\r\n",
		  "Host A_23456789012345678901234567890123456789012345678901234567890123456789 ",
		  KEEP },
	};

	FOR_ROWS (row, rows) {
		static struct message msg;
		struct h1_limits limits = H1_LIMITS_DEFAULT;
		struct h1_parser p;
		enum h1_reject why = H1_REJECT_NONE;
		char text[300], got[300];
		size_t used;

		snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: h\r\n%s\r\n", row->fields);
		h1_parser_init(&p, H1_REQUEST, &limits);
		CHECK_INT(h1_parser_head(&p, span_of(text), &msg, &used, &why), H1_DONE);
		CHECK_INT(scrub_request(&msg, &row->rules), row->want != NULL);
		names_of(&msg, got, sizeof(got));
		CHECK_STR(got, row->want ? row->want : "Host A X_A ");
	}
}

TEST(trailers_are_held_to_the_same)
{
	static const struct {
		const char *name, *line;
		bool want;
		struct scrub rules;
	} rows[] = {
		{ "a checksum", "X-Sum: 1_1\r\n", true, DROP },
		{ "an underscore", "X_Sum: 1\r\n", false, DROP },
		{ "an underscore that is refused elsewhere", "X_Sum: 1\r\n", false, REFUSE },
		{ "a kept one", "X_Sum: 1\r\n", true, KEEP },
		{ "one that looks like framing", "Content_Length: 1\r\n", false, KEEP },
		{ "httpoxy", "Proxy: x\r\n", false, KEEP },
		{ "what is set", "X-Subject: CN=admin\r\n", false, SET("X-Subject") },
		{ "what is set, otherwise", "x.SUBJECT: CN=admin\r\n", false, SET("X-Subject") },
		{ "one that is longer", "X-Subject-2: 1\r\n", true, SET("X-Subject") },
	};

	FOR_ROWS (row, rows)
		CHECK_INT(scrub_may_trail(span_of(row->line), &row->rules), row->want);
}
