#include "tests/harness/test.h"
#include "userspace/http/field.h"
#include "userspace/http/path.h"

TEST(each_path_has_one_spelling)
{
	static const struct {
		const char *name, *path, *want; /* NULL: refused */
	} rows[] = {
		{ "the root", "/", "/" },
		{ "nothing to do", "/a/b.c/", "/a/b.c/" },
		{ "the asterisk", "*", "*" },
		{ "a dot", "/a/./b", "/a/b" },
		{ "a dot at the end", "/a/.", "/a/" },
		{ "two dots", "/a/b/../c", "/a/c" },
		{ "two dots at the end", "/a/b/..", "/a/" },
		{ "two dots back to the root", "/a/..", "/" },
		{ "escaped dots", "/a/%2e%2E/b", "/b" },
		{ "three dots are a name", "/a/.../b", "/a/.../b" },
		{ "escapes of unreserved bytes", "/%7Eu%41", "/~uA" },
		{ "other escapes in upper case", "/a%3fb%c3%a9", "/a%3Fb%C3%A9" },
		{ "an escaped percent is decoded no further", "/%252e%252e/", "/%252e%252e/" },
		{ "slashes in a row", "//a///b", "//a///b" },
		{ "two dots behind slashes", "/a//../b", "/a/b" },
		{ "a parameter", "/a;b=c/d", "/a;b=c/d" },
		{ "above the root", "/..", NULL },
		{ "above the root, in the end", "/a/../../b", NULL },
		{ "an escaped slash", "/a%2fb", NULL },
		{ "an escaped backslash", "/a%5Cb", NULL },
		{ "an escaped NUL", "/a%00", NULL },
		{ "a broken escape", "/a%2", NULL },
		{ "an escape of no digits", "/a%zz", NULL },
		{ "dots with a parameter", "/a/..;x/b", NULL },
		{ "a dot with a parameter", "/.;/b", NULL },
		{ "an escaped dot with a parameter", "/a/%2e.;x/b", NULL },
		{ "no slash first", "a", NULL },
		{ "nothing", "", NULL },
	};

	FOR_ROWS (row, rows) {
		char out[64];
		size_t len = 0;
		bool ok = path_normalise(span_of(row->path), (struct path_rules){ 0 }, out,
					 strlen(row->path), &len);

		CHECK_INT(ok, row->want != NULL);
		if (ok)
			CHECK_SPAN(span_make(out, len), span_of(row->want));
	}
}

TEST(a_path_that_does_not_fit_is_refused)
{
	char out[4];
	size_t len = 99;

	CHECK(!path_normalise(SPAN("/abcd"), (struct path_rules){ 0 }, out, sizeof(out), &len));
	CHECK(!path_normalise(SPAN("/a%20"), (struct path_rules){ 0 }, out, sizeof(out), &len));
	CHECK_INT(len, 99);
	CHECK(path_normalise(SPAN("/abc"), (struct path_rules){ 0 }, out, sizeof(out), &len));
	CHECK_INT(len, 4);
}

TEST(lists_are_cut_at_commas_outside_of_quotes)
{
	static const struct {
		const char *name, *list, *want;
	} rows[] = {
		{ "two", "a, b", "a|b|" },
		{ "empty elements", ", a ,,\tb,", "a|b|" },
		{ "none", " , ", "" },
		{ "a quoted comma", "\"a,b\", c", "\"a,b\"|c|" },
		{ "an escaped quote", "\"\\\",\",x", "\"\\\",\"|x|" },
		{ "an open quote", "\"a, b", "\"a, b|" },
	};

	FOR_ROWS (row, rows) {
		struct span list = span_of(row->list), element;
		char got[64] = "";

		while (field_list_take(&list, &element)) {
			strncat(got, element.at, element.len);
			strcat(got, "|");
		}
		CHECK_STR(got, row->want);
	}
}

TEST(numbers_are_digits_that_fit)
{
	static const struct {
		const char *name, *text;
		bool ok;
		uint64_t want;
	} rows[] = {
		{ "zero", "0", true, 0 },
		{ "leading zeros", "0012", true, 12 },
		{ "the largest", "9223372036854775807", true, INT64_MAX },
		{ "one more", "9223372036854775808", false, 7 },
		{ "twenty digits", "00000000000000000001", false, 7 },
		{ "nothing", "", false, 7 },
		{ "a space", " 1", false, 7 },
		{ "a sign", "+1", false, 7 },
	};

	FOR_ROWS (row, rows) {
		uint64_t n = 7;

		CHECK_INT(field_parse_number(span_of(row->text), &n), row->ok);
		CHECK_INT(n, row->want);
	}
}

TEST(fields_that_a_proxy_must_know_are_known_by_any_case)
{
	CHECK_INT(field_identify(SPAN("HOST")), FIELD_HOST);
	CHECK_INT(field_identify(SPAN("transfer-Encoding")), FIELD_TRANSFER_ENCODING);
	CHECK_INT(field_identify(SPAN("X-Forwarded-Proto")), FIELD_FORWARDED_PROTO);
	CHECK_INT(field_identify(SPAN("Proxy-Connection")), FIELD_PROXY_CONNECTION);
	CHECK_INT(field_identify(SPAN("Hos")), FIELD_OTHER);
	CHECK_INT(field_identify(SPAN("Content-Lengt\xa8")), FIELD_OTHER);
	CHECK_INT(field_identify(SPAN("X-A-Name-That-Is-Longer-Than-Any")), FIELD_OTHER);
	CHECK(field_is_forbidden_trailer(SPAN("content-length")));
	CHECK(field_is_forbidden_trailer(SPAN("Set-Cookie")));
	CHECK(!field_is_forbidden_trailer(SPAN("grpc-status")));
}

TEST(classes_of_bytes_are_those_of_the_grammar)
{
	for (int c = 0; c < 256; c++) {
		bool alnum = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
		bool token = alnum || (c && strchr("!#$%&'*+-.^_`|~", c));
		bool value = c == '\t' || (c >= ' ' && c != 0x7f);

		CHECK_INT(byte_is((char)c, BYTE_TOKEN), token && c < 128);
		CHECK_INT(byte_is((char)c, BYTE_VALUE), value);
		CHECK(!byte_is((char)c, BYTE_PATH) || byte_is((char)c, BYTE_QUERY));
		CHECK(!byte_is((char)c, BYTE_QUERY) || (c > ' ' && c < 0x7f && c != '#'));
	}
}
