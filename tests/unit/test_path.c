#include "tests/harness/test.h"
#include "userspace/base/must.h"
#include "userspace/http/path.h"

static const struct path_rules rules; /* the default */

TEST(a_path_has_one_spelling)
{
	static const struct {
		const char *name, *path, *want; /* NULL: refused */
	} rows[] = {
		{ "as it is", "/a/b", "/a/b" },
		{ "the root", "/", "/" },
		{ "an asterisk", "*", "*" },
		{ "an escaped letter", "/%61b", "/ab" },
		{ "an escaped tilde", "/%7Eu", "/~u" },
		{ "escapes in upper case", "/%c3%a4", "/%C3%A4" },
		{ "a reserved character stays escaped", "/%3f%23", "/%3F%23" },
		{ "a percent sign stays escaped", "/%2561", "/%2561" },
		{ "a dot segment", "/a/./b", "/a/b" },
		{ "two of them", "/a/../b", "/b" },
		{ "at the end", "/a/b/..", "/a/" },
		{ "one at the end", "/a/.", "/a/" },
		{ "escaped dots", "/a/%2e%2E/b", "/b" },
		{ "slashes in a row", "//a//b", "//a//b" },
		{ "climbing through an empty segment", "//..", "/" },
		{ "three dots are a name", "/...", "/..." },
		{ "parameters", "/a;x=1/b", "/a;x=1/b" },
		{ "sub-delimiters", "/a!$&'()*+,;=:@", "/a!$&'()*+,;=:@" },
		{ "half escaped dots", "/a/.%2e/b", "/b" },
		{ "two dots back to the root", "/a/..", "/" },
		{ "two dots after slashes in a row", "/a//../b", "/a/b" },
		{ "dots at the end of a name", "/a../b", "/a../b" },
		{ "dots at the start of a name", "/..a/.b", "/..a/.b" },
		{ "an escaped slash", "/a%2fb", NULL },
		{ "an escape across a slash", "/a%4/1", NULL },
		{ "an escape of another style", "/%u0041", NULL },
		{ "escaped dots above the root", "/%2e%2e/etc/passwd", NULL },
		{ "a query", "/a?b", NULL },
		{ "a fragment", "/a#b", NULL },
		{ "an asterisk with more", "*/a", NULL },
		{ "an escaped backslash", "/a%5Cb", NULL },
		{ "an escaped NUL", "/a%00", NULL },
		{ "a broken escape", "/a%2", NULL },
		{ "a lone percent", "/%", NULL },
		{ "no hexadecimal", "/%zz", NULL },
		{ "above the root", "/..", NULL },
		{ "above the root later", "/a/../../b", NULL },
		{ "dots with parameters", "/a/..;x/b", NULL },
		{ "a dot with parameters", "/.;/b", NULL },
		{ "escaped dots with parameters", "/%2e%2e;/b", NULL },
		{ "no slash", "a", NULL },
		{ "a second asterisk", "**", NULL },
		{ "a backslash", "/a\\b", NULL },
		{ "a space", "/a b", NULL },
		{ "a control byte", "/a\x01", NULL },
		{ "a byte beyond ASCII", "/\xc3\xa4", NULL },
		{ "nothing", "", NULL },
	};

	FOR_ROWS (row, rows) {
		char out[64];
		size_t len = 77, room = strlen(row->path);

		CHECK_INT(path_normalise(span_of(row->path), rules, out, room, &len),
			  row->want != NULL);
		if (!row->want)
			CHECK_INT(len, 77); /* untouched */
		else
			CHECK_SPAN(span_make(out, len), span_of(row->want));
	}
}

TEST(what_is_normal_stays_as_it_is)
{
	static const char *const paths[] = { "/a/../b/%7e/%c3", "//x/./..", "/%2561/..%2e",
					     "/a/." };

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		char once[64], twice[64];
		size_t n = 0, m = 0;

		CHECK(path_normalise(span_of(paths[i]), rules, once, strlen(paths[i]), &n));
		CHECK(path_normalise(span_make(once, n), rules, twice, n, &m));
		CHECK_SPAN(span_make(twice, m), span_make(once, n));
	}
}

/* Each buffer ends where the sanitizer sees a byte too many. */
TEST(room_that_is_too_small_is_refused_and_nothing_is_written_behind_it)
{
	static const char *const paths[] = { "/ab/c%20", "/%61%62%63", "/a/", "//", "/a/b/../c" };

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		struct span path = span_of(paths[i]);
		size_t full, len;
		char whole[64];

		test_row(paths[i]);
		CHECK(path_normalise(path, rules, whole, path.len, &full));
		for (size_t cap = 0; cap < full; cap++) {
			char *out = must_alloc(cap);
			bool fits = path_normalise(path, rules, out, cap, &len);

			free(out);
			CHECK(!fits);
		}
	}
}

#define DOTS(how)       { .dots = PATH_DOTS_##how }
#define SLASHES(how)    { .slashes = PATH_SLASHES_##how }
#define BOTH(how, how2) { PATH_DOTS_##how, PATH_SLASHES_##how2 }

TEST(dots_and_escaped_slashes_are_as_the_rules_say)
{
	static const struct {
		const char *name, *path, *want; /* NULL: refused */
		struct path_rules rules;
	} rows[] = {
		{ "a path without dots", "/a/b.c", "/a/b.c", DOTS(REFUSE) },
		{ "a refused dot", "/a/./b", NULL, DOTS(REFUSE) },
		{ "two of them", "/a/../b", NULL, DOTS(REFUSE) },
		{ "at the end", "/a/..", NULL, DOTS(REFUSE) },
		{ "escaped", "/a/%2e%2E/b", NULL, DOTS(REFUSE) },
		{ "with parameters", "/a/..;x/b", NULL, DOTS(REFUSE) },
		{ "a name with dots", "/..a/b../...", "/..a/b../...", DOTS(REFUSE) },
		{ "kept dots", "/a/./../b", "/a/./../b", DOTS(KEEP) },
		{ "kept above the root", "/../x", "/../x", DOTS(KEEP) },
		{ "kept but decoded", "/a/%2e%2e/b", "/a/../b", DOTS(KEEP) },
		{ "kept with parameters", "/..;x/b", "/..;x/b", DOTS(KEEP) },
		{ "kept at the end", "/a/.", "/a/.", DOTS(KEEP) },
		{ "a kept slash", "/a%2fb", "/a%2Fb", SLASHES(KEEP) },
		{ "dots behind a kept slash", "/a%2f../b", NULL, SLASHES(KEEP) },
		{ "dots before a kept slash", "/..%2fb", NULL, SLASHES(KEEP) },
		{ "dots between kept slashes", "/a%2F.%2fb", NULL, SLASHES(KEEP) },
		{ "dots with parameters there", "/a%2F..;x%2fb", NULL, SLASHES(KEEP) },
		{ "names with dots there", "/..a%2Fb..", "/..a%2Fb..", SLASHES(KEEP) },
		{ "dots in another segment", "/x/../a%2Fb/.", "/a%2Fb/", SLASHES(KEEP) },
		{ "an escaped escape", "/a%252fb", "/a%252fb", SLASHES(KEEP) },
		{ "all kept", "/a%2f../b", "/a%2F../b", BOTH(KEEP, KEEP) },
		{ "a decoded slash", "/a%2fb", "/a/b", SLASHES(DECODE) },
		{ "dots behind it", "/a%2f../b", "/b", SLASHES(DECODE) },
		{ "dots before it", "/a/..%2Fb", "/b", SLASHES(DECODE) },
		{ "dots at the end", "/a%2F..", "/", SLASHES(DECODE) },
		{ "above the root by it", "/..%2fb", NULL, SLASHES(DECODE) },
		{ "decoded and refused", "/a%2f..%2fb", NULL, BOTH(REFUSE, DECODE) },
		{ "decoded and kept", "/a%2f..%2fb", "/a/../b", BOTH(KEEP, DECODE) },
		{ "decoded at the front", "%2fa", NULL, SLASHES(DECODE) },
		{ "decoded at the end", "/a%2f", "/a/", SLASHES(DECODE) },
		{ "an escaped backslash all the same", "/a%5cb", NULL, BOTH(KEEP, KEEP) },
		{ "an escaped NUL all the same", "/a%00b", NULL, BOTH(KEEP, DECODE) },
	};

	FOR_ROWS (row, rows) {
		char out[64];
		size_t len = 77, room = strlen(row->path);
		bool good = path_normalise(span_of(row->path), row->rules, out, room, &len);

		CHECK_INT(good, row->want != NULL);
		if (row->want)
			CHECK_SPAN(span_make(out, len), span_of(row->want));
	}
}
