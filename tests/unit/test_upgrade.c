#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bpf/abi/sizes.h"
#include "tests/harness/test.h"
#include "userspace/control/upgrade.h"

/* A program under a name of its own, started by us, and what became of it. */
struct trial {
	char folder[64], program[96], script[96];
	struct loop *loop;
	struct upgrade *upgrade;
	struct listen_table table;
	char why[256];
	bool taken[STEERED_MAX];
	bool ready, failed;
};

static void on_ready(void *context, const bool *taken)
{
	struct trial *t = context;

	t->ready = true;
	memcpy(t->taken, taken, sizeof(t->taken));
	loop_stop(t->loop);
}

static void on_failed(void *context, const char *why)
{
	struct trial *t = context;

	t->failed = true;
	snprintf(t->why, sizeof(t->why), "%s", why);
	loop_stop(t->loop);
}

/* The name leads to this test at first, as to a running shuntd, and then to the script. */
static void trial_begin(struct trial *t, const char *script, uint32_t patience_ms)
{
	char *argv[] = { t->program, NULL };
	struct upgrade_goods goods = { .table = &t->table, .admin = -1 };
	struct err err;
	FILE *out;

	memset(t, 0, sizeof(*t));
	strcpy(t->folder, "/tmp/test_upgrade.XXXXXX");
	CHECK(mkdtemp(t->folder) != NULL);
	snprintf(t->program, sizeof(t->program), "%s/program", t->folder);
	snprintf(t->script, sizeof(t->script), "%s/script", t->folder);
	CHECK(symlink("/proc/self/exe", t->program) == 0);
	t->loop = loop_create();
	t->upgrade = upgrade_create(&(struct upgrade_options){ .loop = t->loop,
							       .argv = argv,
							       .patience_ms = patience_ms,
							       .on_ready = on_ready,
							       .on_failed = on_failed,
							       .context = t });
	CHECK_STR(upgrade_program(t->upgrade), t->program);
	out = fopen(t->script, "w");
	fprintf(out, "#!/bin/bash\n%s\n", script);
	fclose(out);
	CHECK(chmod(t->script, 0700) == 0 && unlink(t->program) == 0);
	CHECK(symlink(t->script, t->program) == 0);
	t->table.workers = 2;
	CHECK(upgrade_begin(t->upgrade, &goods, &err));
	CHECK(upgrade_is_under_way(t->upgrade));
	CHECK(!upgrade_begin(t->upgrade, &goods, &err));
	CHECK_STR(err.text, "another upgrade is under way");
}

static void trial_end(struct trial *t)
{
	upgrade_destroy(t->upgrade);
	loop_destroy(t->loop);
	unlink(t->program);
	unlink(t->script);
	rmdir(t->folder);
}

TEST(what_became_of_a_new_process_that_failed_is_said_and_it_is_gone)
{
	static const struct {
		const char *name;
		const char *script;
		uint32_t patience_ms;
		const char *why;
	} rows[] = {
		{ "it ends", "exit 7", 90000, "ended with status 7 before it was ready" },
		{ "it is killed", "kill -KILL $$", 90000,
		  "was ended by signal 9 before it was ready" },
		{ "it hangs", "exec sleep 1000", 1000, "was not ready after 1 s and was killed" },
		{ "it closes the socket and goes on",
		  "eval \"exec $SHUNT_UPGRADE>&-\"; exec sleep 1000", 90000,
		  "was ended by signal 9 before it was ready" },
	};

	FOR_ROWS (row, rows) {
		struct trial t;
		pid_t pid;

		trial_begin(&t, row->script, row->patience_ms);
		pid = upgrade_pid(t.upgrade);
		loop_run(t.loop);
		CHECK(t.failed && !t.ready);
		CHECK_STR(t.why, row->why);
		CHECK(!upgrade_is_under_way(t.upgrade));
		CHECK(kill(pid, 0) < 0);
		trial_end(&t);
	}
}

TEST(a_new_process_that_is_not_ready_ends_with_what_started_it)
{
	struct trial t;
	pid_t pid;

	trial_begin(&t, "exec sleep 1000", 90000);
	pid = upgrade_pid(t.upgrade);
	CHECK(kill(pid, 0) == 0);
	trial_end(&t);
	CHECK(kill(pid, 0) < 0);
	CHECK(!t.failed && !t.ready);
}
