#include "tests/harness/test.h"
#include "userspace/base/buf.h"
#include "userspace/control/ceilings.h"

enum { MEGA = 1 << 20 };

#define HTTPS                                                                                      \
	"vips:\n  - name: v\n    addresses: [192.0.2.1]\n    listeners:\n"                         \
	"      - { port: 443, protocol: https, routes: r, certificates: [c] }\n"                   \
	"certificates: { c: { chain: c, key: k } }\nroutes: { r: [ { name: r, respond: { status: " \
	"404 } } ] }\n"
#define SECURE                                                                                     \
	"upstreams: { u: { tls: { verify: false }, endpoints: [ { address: 192.0.2.9:1 } ] } }\n"

static struct model *model_of(const char *text)
{
	static struct findings findings;
	struct model *model = model_load_text("f", text, strlen(text), &findings);

	if (!model)
		test_fail(__FILE__, __LINE__, "%s", findings.list[0].text);
	return model;
}

TEST(what_is_asked_for_is_compared_with_what_there_is)
{
	static const struct {
		const char *name, *text;
		uint64_t files, memory;
		uint32_t sessions;
		const char *says; /* a part of the sentence; NULL: none */
	} rows[] = {
		{ "nothing is asked for: the descriptors", "node: { name: n }\n", 20000,
		  4096ull * MEGA, 9589, NULL },
		{ "nothing is asked for: the memory", "node: { name: n }\n", 1 << 21, 64ull * MEGA,
		  3840, NULL },
		{ "nothing is asked for: the memory, with TLS", HTTPS, 1 << 21, 64ull * MEGA, 319,
		  NULL },
		{ "nothing is asked for: the memory, with TLS to endpoints", SECURE, 1 << 21,
		  64ull * MEGA, 426, NULL },
		{ "less than there is", "node: { connections: 100 }\n", 20000, 4096ull * MEGA, 100,
		  NULL },
		{ "more than descriptors allow", "node: { connections: 10000 }\n", 20000,
		  4096ull * MEGA, 9589,
		  "may open 20000: raise LimitNOFILE of the unit (or ulimit -Hn) to" },
		{ "more than its memory allows", "node: { connections: 9000, memory: 32MB }\n",
		  20000, 4096ull * MEGA, 3840, "raise node.memory, or lower node.connections" },
		{ "more memory than there is", "node: { connections: 100, memory: 2GB }\n", 20000,
		  1024ull * MEGA, 100,
		  "node.memory is 2048 MB, and the machine or control group has 1024 MB" },
	};

	FOR_ROWS (row, rows) {
		struct model *model = model_of(row->text);
		struct ceilings_have have = { .files = row->files,
					      .files_other = 196,
					      .memory_bytes = row->memory,
					      .workers = 2 };
		struct ceilings got;

		ceilings_compute(model, &have, &got);
		CHECK_INT(got.each.sessions, row->sessions);
		CHECK_INT(got.sentence_count, row->says ? 1 : 0);
		if (row->says && !strstr(got.sentences[0].text, row->says))
			CHECK_STR(got.sentences[0].text, row->says);
		model_destroy(model);
	}
}

/* Whatever the operator asks for: the sum of all that can be taken stays below what there is. */
TEST(the_sum_of_all_ceilings_fits_into_files_and_memory)
{
	struct model *model = model_of("node: { name: n }\n");

	for (uint64_t files = 4096; files < 1 << 20; files *= 3)
		for (uint64_t memory = 32; memory < 16384; memory *= 3) {
			struct ceilings_have have = { .files = files,
						      .files_other = 200,
						      .memory_bytes = memory * MEGA,
						      .workers = 4 };
			struct ceilings got;

			ceilings_compute(model, &have, &got);
			CHECK(200 + 2ull * got.each.sessions +
				      (got.each.sessions_hard - got.each.sessions) <=
			      files);
			CHECK(got.each.sessions_hard > got.each.sessions);
			CHECK(got.memory_bytes <= memory * MEGA);
			CHECK(got.memory_bytes >= 4ull * got.each.blocks * BLOCK_BYTES);
		}
	model_destroy(model);
}

TEST(idle_connections_take_no_more_descriptors_than_a_worker_keeps)
{
	char text[16384] = "upstreams:\n";
	struct model *model;

	for (int i = 0; i < 200; i++)
		sprintf(text + strlen(text), "  u%d: { endpoints: [ { address: 10.0.0.1:80 } ] }\n",
			i);
	model = model_of(text);
	/* 64 of each upstream would be 12800 a worker; 16 of a worker's are others. */
	CHECK_INT(ceilings_files_other(model, 3, 7) - ceilings_files_other(model, 0, 7),
		  3 * (PROXY_IDLE_MOST + 16));
	model_destroy(model);
	model = model_of(
		"upstreams: { a: { endpoints: [] }, b: { idle_connections: 5, endpoints: [] } }\n");
	CHECK_INT(ceilings_files_other(model, 3, 7) - ceilings_files_other(model, 0, 7),
		  3 * (64 + 5 + 16));
	model_destroy(model);
}

TEST(each_endpoint_that_is_checked_may_need_a_descriptor)
{
	struct model *checked =
		model_of("upstreams: { a: { health: { tcp: true }, endpoints: [ { "
			 "address: 10.0.0.1:80 }, { address: 10.0.0.2:80 } ] } }\n");
	struct model *alone = model_of("upstreams: { a: { endpoints: [ { address: 10.0.0.1:80 }, { "
				       "address: 10.0.0.2:80 } ] } }\n");

	CHECK_INT(ceilings_files_other(checked, 1, 0) - ceilings_files_other(alone, 1, 0), 2);
	model_destroy(checked);
	model_destroy(alone);
}
