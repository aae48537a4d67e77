#include "tests/harness/test.h"

#include <stdlib.h>

enum { TESTS_MAX = 256, NAME_MAX_BYTES = 160 };

static struct CMUnitTest tests[2 * TESTS_MAX];
static char again_names[TESTS_MAX][NAME_MAX_BYTES];
static size_t test_count;
static const char *row_name;
static const char *again_name; /* NULL where once is enough */
static bool is_again;

void test_register(const char *name, test_function *run)
{
	if (test_count == TESTS_MAX)
		abort();
	tests[test_count++] = (struct CMUnitTest){ name, run, NULL, NULL, NULL };
}

void test_again_as(const char *name)
{
	again_name = name;
}

bool test_is_again(void)
{
	return is_again;
}

void test_row(const char *name)
{
	row_name = name;
}

const char *test_row_name(void)
{
	return row_name ? row_name : "";
}

void test_fail(const char *file, int line, const char *fmt, ...)
{
	char text[2048];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	print_error("%s:%d: %s%s%s\n", file, line, row_name ? row_name : "", row_name ? ": " : "",
		    text);
	_fail(file, line);
}

static void print_hex(const char *what, const uint8_t *bytes, size_t len)
{
	print_error("  %s (%zu bytes):", what, len);
	for (size_t i = 0; i < len; i++)
		print_error("%s%02x", i % 16 ? " " : "\n    ", bytes[i]);
	print_error("\n");
}

void test_bytes(const char *file, int line, const void *got, size_t got_len, const void *want,
		size_t want_len)
{
	const uint8_t *a = got, *b = want;
	size_t i = 0;

	while (i < got_len && i < want_len && a[i] == b[i])
		i++;
	if (i == got_len && i == want_len)
		return;
	print_hex("got", a, got_len);
	print_hex("wanted", b, want_len);
	test_fail(file, line, "bytes differ at offset %zu", i);
}

static int begin(void **state)
{
	is_again = *state != NULL;
	row_name = NULL;
	return 0;
}

int main(int argc, char **argv)
{
	size_t once = test_count;

	for (size_t i = 0; i < once; i++) {
		tests[i].setup_func = begin;
		if (!again_name)
			continue;
		snprintf(again_names[i], sizeof(again_names[i]), "%s_%s", tests[i].name,
			 again_name);
		tests[test_count] = tests[i];
		tests[test_count].name = again_names[i];
		tests[test_count++].initial_state = &is_again;
	}
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return _cmocka_run_group_tests(argv[0], tests, test_count, NULL, NULL) ? 1 : 0;
}
