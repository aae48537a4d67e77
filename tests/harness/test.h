/*
 * test.h - tests as sentences, over cmocka.
 *
 * TEST(name) registers itself; a file of tests needs no main(). A failing CHECK prints what was
 * got and wanted and ends its test. TEST_SKIP(reason) counts the test as skipped.
 */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

typedef void test_function(void **state); /* cmocka's type; a typedef, as CMUnitTest has it */

void test_register(const char *name, test_function *run);
/* Shown with each failure in this test until changed; name is borrowed. */
void test_row(const char *name);
const char *test_row_name(void);
/* Every test of this program runs a second time, then named so as well; for constructors only. */
void test_again_as(const char *name);
bool test_is_again(void);

#define TEST(name)                                                                                 \
	static void name(void **state);                                                            \
	__attribute__((constructor)) static void register_##name(void)                             \
	{                                                                                          \
		test_register(#name, name);                                                        \
	}                                                                                          \
	static void name(__attribute__((unused)) void **state)

#define TEST_SKIP(reason)                                                                          \
	do {                                                                                       \
		print_message("skipped because %s\n", reason);                                     \
		skip();                                                                            \
	} while (0)

#define FOR_ROWS(row, rows)                                                                        \
	for (__typeof__(&(rows)[0]) row = (rows);                                                  \
	     row < (rows) + sizeof(rows) / sizeof((rows)[0]) && (test_row(row->name), 1); row++)

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond))                                                                       \
			test_fail(__FILE__, __LINE__, "%s is false", #cond);                       \
	} while (0)
#define CHECK_INT(got, want)                                                                       \
	do {                                                                                       \
		long long got_ = (long long)(got), want_ = (long long)(want);                      \
		if (got_ != want_)                                                                 \
			test_fail(__FILE__, __LINE__, "%s: got %lld, wanted %lld", #got, got_,     \
				  want_);                                                          \
	} while (0)
#define CHECK_STR(got, want)                                                                       \
	do {                                                                                       \
		const char *got_ = (got), *want_ = (want);                                         \
		if (strcmp(got_, want_))                                                           \
			test_fail(__FILE__, __LINE__, "%s:\n  got    \"%s\"\n  wanted \"%s\"",     \
				  #got, got_, want_);                                              \
	} while (0)
#define CHECK_SPAN(got, want)                                                                      \
	do {                                                                                       \
		struct span got_ = (got), want_ = (want);                                          \
		if (!span_is(got_, want_))                                                         \
			test_fail(__FILE__, __LINE__, "%s:\n  got    \"%.*s\"\n  wanted \"%.*s\"", \
				  #got, (int)got_.len, got_.at, (int)want_.len, want_.at);         \
	} while (0)
/* Prints both as hex with the first difference. */
#define CHECK_BYTES(got, got_len, want, want_len)                                                  \
	test_bytes(__FILE__, __LINE__, got, got_len, want, want_len)

void test_fail(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void test_bytes(const char *file, int line, const void *got, size_t got_len, const void *want,
		size_t want_len);
