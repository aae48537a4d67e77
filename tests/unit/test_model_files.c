/* One file, a directory of files, and what is wrong with either. */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/harness/test.h"
#include "userspace/model/model.h"
#include "userspace/model/model_files.h"

struct fixture {
	char folder[64];
	char *path[8];
	int files;
};

static void put(struct fixture *f, const char *name, const char *text)
{
	char *path;
	FILE *file;

	CHECK(asprintf(&path, "%s/%s", f->folder, name) > 0);
	f->path[f->files++] = path;
	file = fopen(path, "w");
	CHECK(file != NULL);
	fputs(text, file);
	fclose(file);
}

static void setup(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	strcpy(f->folder, "/tmp/test_model_files.XXXXXX");
	CHECK(mkdtemp(f->folder) != NULL);
}

static void teardown(struct fixture *f)
{
	while (f->files > 0) {
		unlink(f->path[--f->files]);
		free(f->path[f->files]);
	}
	rmdir(f->folder);
}

/* Where the sentence begins after "FOLDER/". */
static const char *without(const char *text, const struct fixture *f)
{
	const char *at = strstr(text, f->folder);

	return at ? at + strlen(f->folder) + 1 : text;
}

TEST(a_directory_is_read_as_one_configuration)
{
	struct findings findings = { 0 };
	struct fixture f;
	struct model *model;

	setup(&f);
	put(&f, "10-node.yaml", "node: { name: n }\n");
	put(&f, "20-a.yaml",
	    "upstreams: { a: { endpoints: [ { address: \"10.0.0.1:80\" } ] } }\n"
	    "vips: [ { name: a, addresses: [10.1.1.1], listeners: [ { port: 1, protocol: "
	    "tcp-proxy, upstream: b } ] } ]\n");
	put(&f, "30-b.json",
	    "{ \"upstreams\": { \"b\": { \"endpoints\": [] } }, \"vips\": [ { \"name\": \"b\", "
	    "\"addresses\": [\"10.1.1.2\"], \"listeners\": [] } ] }\n");
	put(&f, ".hidden.yaml", "nonsense\n");
	put(&f, "notes.txt", "nonsense\n");
	model = model_load(f.folder, &findings);
	CHECK_STR(findings.count ? findings.list[0].text : "", "");
	CHECK(model != NULL);
	CHECK_STR(model->node.name, "n");
	CHECK_INT(model->upstream_count, 2);
	CHECK_INT(model->vip_count, 2);
	CHECK_STR(model->vips[0].listeners[0].upstream->name, "b");
	model_destroy(model);
	teardown(&f);
}

TEST(files_may_add_to_one_list_of_routes)
{
	struct findings findings = { 0 };
	struct fixture f;
	struct model *model;

	setup(&f);
	put(&f, "1.yaml", "routes: { all: [ { name: a, respond: { status: 200 } } ] }\n");
	put(&f, "2.yaml",
	    "routes: { all: [ { name: b, match: { path: /b }, respond: { status: 201 } },"
	    " { name: c, match: { path: /c }, respond: { status: 202 } } ] }\n");
	put(&f, "3.yaml",
	    "routes: { other: [], all: [ { name: d, match: { path: /d }, respond: { status: 203 } "
	    "} ] }\n");
	model = model_load(f.folder, &findings);
	CHECK_STR(findings.count ? findings.list[0].text : "", "");
	CHECK(model != NULL);
	CHECK_INT(model->table_count, 2);
	CHECK_INT(model->tables[0].count, 4);
	for (uint32_t i = 0; i < 4; i++) /* sorted by what goes first, but they know their order */
		CHECK_INT(model->tables[0].routes[i].order,
			  model->tables[0].routes[i].name[0] - 'a');
	model_destroy(model);
	put(&f, "4.yaml",
	    "routes: { all: [ { name: c, match: { path: /x }, respond: { status: 203 } } ] }\n");
	CHECK(!model_load(f.folder, &findings));
	CHECK(strstr(findings.list[0].text, "4.yaml:1:") != NULL);
	teardown(&f);
}

TEST(what_two_files_both_say_is_refused_with_both_places)
{
	static const struct {
		const char *name, *one, *two, *want;
	} rows[] = {
		{ "the name of the node", "node: { name: n }\n", "node:\n  name: m\n",
		  "2.yaml:2:3: the key \"name\" is there already, at FOLDER/1.yaml:1:9" },
		{ "an upstream", "upstreams: { a: { endpoints: [] } }\n",
		  "upstreams: { a: { endpoints: [] } }\n",
		  "2.yaml:1:14: the key \"a\" is there already, at FOLDER/1.yaml:1:14" },
		{ "sections of another kind", "vips: []\n", "vips: {}\n",
		  "2.yaml:1:7: expected the same kind of section as at FOLDER/1.yaml:1:7" },
		{ "no map at all", "node: {}\n", "[]\n",
		  "2.yaml:1:1: expected a map of keys and values" },
		{ "a mistake in the second", "node: {}\n", "nodes: {}\n",
		  "2.yaml:1:1: unknown key \"nodes\"; did you mean \"node\"?" },
	};

	FOR_ROWS (row, rows) {
		struct findings findings = { 0 };
		struct fixture f;
		char want[256];
		const char *cut = strstr(row->want, "FOLDER");

		setup(&f);
		put(&f, "1.yaml", row->one);
		put(&f, "2.yaml", row->two);
		snprintf(want, sizeof(want), "%.*s%s%s",
			 cut ? (int)(cut - row->want) : (int)strlen(row->want), row->want,
			 cut ? f.folder : "", cut ? cut + 6 : "");
		CHECK(!model_load(f.folder, &findings));
		CHECK_STR(without(findings.list[0].text, &f), want);
		teardown(&f);
	}
}

TEST(a_model_needs_nothing_of_what_it_was_read_from)
{
	static const char text[] = "upstreams: { a: { balance: maglev, endpoints: [ { address: "
				   "\"10.0.0.1:80\" } ] } }\n"
				   "routes: { r: [ { name: one, match: { host: B.example.com, "
				   "path: /x/*, methods: [GET] },"
				   " retry: { attempts: 2 }, timeout: 3s, splice_threshold: 1MB, "
				   "splice: off, upstream: a } ] }\n";
	struct findings findings = { 0 };
	struct model *model = model_load_text("f", text, sizeof(text) - 1, &findings);
	const struct route *route;

	CHECK(model && model->root);
	model_forget_root(model); /* with it, whatever points there is found by ASan */
	CHECK(!model->root);
	route = &model->tables[0].routes[0];
	CHECK_STR(route->name, "one");
	CHECK_STR(route->host, "b.example.com");
	CHECK_STR(route->path, "/x");
	CHECK_STR(route->methods[0], "GET");
	CHECK_STR(route->at.file, "f");
	CHECK_STR(route->upstream->name, "a");
	CHECK_INT(route->splice, SPLICE_OFF);
	CHECK_INT(route_conduct(route)->splice_threshold, 1 << 20);
	CHECK_INT(route_conduct(route)->timeouts->head_ms, 3000);
	CHECK(route_conduct(route)->retry);
	model_destroy(model);
}

TEST(what_is_no_configuration_is_refused_with_its_path)
{
	struct findings findings = { 0 };
	struct fixture f;
	char want[256];

	setup(&f);
	CHECK(!model_load(f.folder, &findings));
	snprintf(want, sizeof(want),
		 "cannot read the configuration %s: expected 1 to %d files such as shunt.yaml in "
		 "this directory, found 0",
		 f.folder, CONFIG_FILES_MAX);
	CHECK_STR(findings.list[0].text, want);
	CHECK(!model_load("/dev/null", &findings));
	CHECK_STR(findings.list[0].text,
		  "cannot read the configuration /dev/null: expected a file or a directory of "
		  "files, found something else");
	CHECK(!model_load("/nonexistent/x.yaml", &findings));
	CHECK_STR(findings.list[0].text, "cannot read the configuration /nonexistent/x.yaml: No "
					 "such file or directory");
	teardown(&f);
}
