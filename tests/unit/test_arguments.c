#include "tests/harness/test.h"
#include "userspace/control/arguments.h"

enum { ARGV_MAX = 8 };

static int count(char *const *argv)
{
	int n = 0;

	while (n < ARGV_MAX && argv[n])
		n++;
	return n;
}

#define LONG_50 "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

TEST(a_wrong_command_line_gets_one_sentence)
{
	static struct {
		const char *name;
		char *argv[ARGV_MAX];
		const char *text;
	} rows[] = {
		{ "nothing", { "shuntd" }, "no configuration given; start it as shuntd -c FILE" },
		{ "no value", { "shuntd", "-c" }, "-c needs a value; see --help" },
		{ "empty value", { "shuntd", "--config=" }, "--config needs a value; see --help" },
		{ "workers zero",
		  { "shuntd", "-c", "x", "--workers", "0" },
		  "--workers expects a number from 1 to 64, found \"0\"" },
		{ "workers too many",
		  { "shuntd", "-c", "x", "--workers=65" },
		  "--workers expects a number from 1 to 64, found \"65\"" },
		{ "workers no number",
		  { "shuntd", "-c", "x", "--workers", "4x" },
		  "--workers expects a number from 1 to 64, found \"4x\"" },
		{ "workers negative",
		  { "shuntd", "-c", "x", "--workers", "-1" },
		  "--workers expects a number from 1 to 64, found \"-1\"" },
		{ "workers beyond long",
		  { "shuntd", "-c", "x", "--workers", "99999999999999999999" },
		  "--workers expects a number from 1 to 64, found \"99999999999999999999\"" },
		{ "unknown option",
		  { "shuntd", "--wrokers", "4" },
		  "unknown option \"--wrokers\"; see --help" },
		{ "a longer option than known",
		  { "shuntd", "--users", "x" },
		  "unknown option \"--users\"; see --help" },
		{ "a file without -c",
		  { "shuntd", "shunt.yaml" },
		  "unexpected \"shunt.yaml\"; the configuration is given as -c FILE" },
		{ "admin path too long",
		  { "shuntd", "-c", "x", "--admin", LONG_50 LONG_50 LONG_50 },
		  "the path of --admin has 150 bytes, a unix socket's may have 107; take a shorter "
		  "one" },
	};

	FOR_ROWS (row, rows) {
		struct arguments arguments = { .workers = 77 };
		struct err err = { "" };

		CHECK_INT(arguments_parse(count(row->argv), row->argv, &arguments, &err),
			  ARGUMENTS_WRONG);
		CHECK_STR(err.text, row->text);
		CHECK_INT(arguments.workers, 77); /* untouched */
	}
}

TEST(a_good_command_line_is_taken_whole)
{
	char *argv[] = { "shuntd", "-c",       "a.yaml", "--workers=3", "--access-log",
			 "-",      "--user",   "www",    "--admin=/x",  "--pin-dir",
			 "/p",     "--cgroup", "/c" };
	struct arguments a;
	struct err err;

	CHECK_INT(arguments_parse(13, argv, &a, &err), ARGUMENTS_RUN);
	CHECK_STR(a.config, "a.yaml");
	CHECK_INT(a.workers, 3);
	CHECK_STR(a.access_log, "-");
	CHECK_STR(a.user, "www");
	CHECK_STR(a.admin, "/x");
	CHECK(a.admin_given);
	CHECK_STR(a.pin_dir, "/p");
	CHECK_STR(a.cgroup, "/c");
}

TEST(what_is_not_given_has_a_default)
{
	char *argv[] = { "shuntd", "--check", "--config", "a.yaml" };
	struct arguments a;
	struct err err;

	CHECK_INT(arguments_parse(4, argv, &a, &err), ARGUMENTS_CHECK);
	CHECK_STR(a.admin, ADMIN_PATH_DEFAULT);
	CHECK(!a.admin_given);
	CHECK(!a.access_log && !a.user && !a.cgroup);
	CHECK_INT(a.workers, 0);
}

TEST(help_and_version_need_no_configuration)
{
	char *help[] = { "shuntd", "--help" }, *version[] = { "shuntd", "--version" };
	struct arguments a;
	struct err err;

	CHECK_INT(arguments_parse(2, help, &a, &err), ARGUMENTS_HELP);
	CHECK_INT(arguments_parse(2, version, &a, &err), ARGUMENTS_VERSION);
}
