#include <stdlib.h>
#include <unistd.h>

#include "tests/harness/test.h"
#include "userspace/control/config_watch.h"

struct fixture {
	char dir[64], file[96], other[112];
	struct loop *loop;
	struct config_watch *watch;
	struct timer limit;
	int changes;
};

static void on_change(void *context)
{
	struct fixture *f = context;

	f->changes++;
	loop_stop(f->loop);
}

static void on_limit(void *context)
{
	(void)context;
	test_fail(__FILE__, __LINE__, "no change was seen in %d s", 90);
}

static void on_time_over(void *context)
{
	struct fixture *f = context;

	loop_stop(f->loop);
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	CHECK(file != NULL);
	fputs(text, file);
	fclose(file);
}

static void setup(struct fixture *f)
{
	struct err err;

	memset(f, 0, sizeof(*f));
	strcpy(f->dir, "/tmp/test_config_watch.XXXXXX");
	CHECK(mkdtemp(f->dir) != NULL);
	snprintf(f->file, sizeof(f->file), "%s/shunt.yaml", f->dir);
	snprintf(f->other, sizeof(f->other), "%s/shunt.yaml.new", f->dir);
	write_file(f->file, "one");
	f->loop = loop_create();
	f->watch = config_watch_create(f->loop, f->file, on_change, f, &err);
	CHECK(f->watch != NULL);
	timer_init(&f->limit, f->loop, on_limit, f);
	timer_start(&f->limit, 90000);
}

static void teardown(struct fixture *f)
{
	config_watch_destroy(f->watch);
	timer_stop(&f->limit);
	loop_destroy(f->loop);
	unlink(f->file);
	unlink(f->other);
	rmdir(f->dir);
}

TEST(a_file_that_is_written_again_is_noticed)
{
	struct fixture f;

	setup(&f);
	write_file(f.file, "two");
	loop_run(f.loop);
	CHECK_INT(f.changes, 1);
	teardown(&f);
}

TEST(a_file_that_is_renamed_over_the_old_one_is_noticed)
{
	struct fixture f;

	setup(&f);
	write_file(f.other, "two");
	CHECK(rename(f.other, f.file) == 0);
	loop_run(f.loop);
	CHECK_INT(f.changes, 1);
	teardown(&f);
}

/* That nothing happens can only be seen over a time: three times the settling one. */
TEST(the_same_content_and_other_files_are_ignored)
{
	struct fixture f;

	setup(&f);
	write_file(f.file, "two");
	config_watch_seen(f.watch); /* loaded meanwhile, by a signal */
	write_file(f.other, "other");
	timer_stop(&f.limit);
	timer_init(&f.limit, f.loop, on_time_over, &f);
	timer_start(&f.limit, 300); /* beyond the settling time: an end, nothing is waited for */
	loop_run(f.loop);
	CHECK_INT(f.changes, 0);
	teardown(&f);
}

TEST(a_folder_that_does_not_exist_is_an_error)
{
	struct loop *loop = loop_create();
	struct err err = { "" };

	CHECK(config_watch_create(loop, "/nowhere/x.yaml", on_change, NULL, &err) == NULL);
	CHECK_STR(err.text, "cannot watch /nowhere for changes: No such file or directory");
	loop_destroy(loop);
}

static void watch_directory(struct fixture *f)
{
	struct err err;

	config_watch_destroy(f->watch);
	f->watch = config_watch_create(f->loop, f->dir, on_change, f, &err);
	CHECK(f->watch != NULL);
	snprintf(f->other, sizeof(f->other), "%s/more.yaml", f->dir);
}

TEST(a_file_that_comes_into_a_directory_is_noticed)
{
	struct fixture f;

	setup(&f);
	watch_directory(&f);
	write_file(f.other, "two");
	loop_run(f.loop);
	CHECK_INT(f.changes, 1);
	teardown(&f);
}

TEST(a_file_that_leaves_a_directory_is_noticed)
{
	struct fixture f;

	setup(&f);
	snprintf(f.other, sizeof(f.other), "%s/more.yaml", f.dir);
	write_file(f.other, "two");
	watch_directory(&f);
	unlink(f.other);
	loop_run(f.loop);
	CHECK_INT(f.changes, 1);
	teardown(&f);
}
