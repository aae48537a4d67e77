/*
 * route_bench - what a look-up costs: 100 to 100000 routes, half of them exact paths and half
 * prefixes, asked at random; how long compiling takes and how much memory; a thousand expressions.
 * And the largest of them as files, as shuntd reads them: time, and all the memory that stays.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "userspace/base/arena.h"
#include "userspace/base/clock.h"
#include "userspace/base/must.h"
#include "userspace/route/regex.h"
#include "userspace/route/router.h"

enum { BATCH = 16, BATCHES = 20001, TEXT_MAX = 64 };

static uint64_t state = 88172645463325252ull;

static uint32_t below(uint32_t limit)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)((state >> 32) * limit >> 32);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static struct span no_field(const void *context, struct span name)
{
	(void)context, (void)name;
	return (struct span){ NULL, 0 };
}

struct bench {
	struct arena *arena;
	struct route_table table;
	uint32_t hosts;
	double compile_ms, bytes_each;
};

static const char *keep(struct bench *b, const char *text)
{
	return arena_text(b->arena, span_of(text));
}

static void write_route(struct bench *b, struct route *r, uint32_t i, bool regex)
{
	char text[TEXT_MAX];

	r->order = i;
	r->name = "r";
	snprintf(text, sizeof(text), "host-%u.example.com", i % b->hosts);
	r->host = keep(b, text);
	r->path_kind = regex ? PATH_REGEX : i / b->hosts % 2 ? PATH_EXACT : PATH_PREFIX;
	if (regex) {
		snprintf(text, sizeof(text), "/s%u/users/[0-9]+/%u", i / b->hosts, i);
		r->regex = regex_create(b->arena, text, NULL);
		r->path = regex_text(r->regex);
	} else {
		snprintf(text, sizeof(text), "/api/v2/service-%u/items-%u", i / b->hosts, i);
		r->path = keep(b, text);
	}
}

/* Memory that is really there, after what is free has been given back. */
static size_t resident(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	size_t all = 0, pages = 0;

	malloc_trim(0);
	MUST(file && fscanf(file, "%zu %zu", &all, &pages) == 2);
	fclose(file);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static struct bench build(uint32_t count, uint32_t hosts, bool regex)
{
	struct bench b = { .arena = arena_create(), .hosts = hosts, .table = { .count = count } };
	size_t before = arena_bytes(b.arena), routes;
	uint64_t began;

	b.table.routes = arena_take(b.arena, count * sizeof(b.table.routes[0]));
	routes = arena_bytes(b.arena) - before;
	for (uint32_t i = 0; i < count; i++)
		write_route(&b, &b.table.routes[i], i, regex);
	before = arena_bytes(b.arena) - routes;
	began = clock_ns(CLOCK_MONOTONIC);
	router_compile(b.arena, &b.table);
	b.compile_ms = (double)(clock_ns(CLOCK_MONOTONIC) - began) / 1e6;
	b.bytes_each = (double)(arena_bytes(b.arena) - before) / count;
	return b;
}

/* Requests that were just read are in the cache; routes are wherever they are: their texts are made
 * again from their numbers, without touching them. */
static double median_ns(const struct bench *b, bool regex)
{
	static double ns[BATCHES];
	char hosts[BATCH][TEXT_MAX], paths[BATCH][TEXT_MAX];
	struct route_request req[BATCH];

	for (int batch = 0; batch < BATCHES; batch++) {
		uint64_t began;

		for (int i = 0; i < BATCH; i++) {
			uint32_t number = below(b->table.count);

			snprintf(hosts[i], TEXT_MAX, "host-%u.example.com", number % b->hosts);
			snprintf(paths[i], TEXT_MAX,
				 regex ? "/s%u/users/42/%u" : "/api/v2/service-%u/items-%u%s",
				 number / b->hosts, number, number / b->hosts % 2 ? "" : "/x");
			req[i] = (struct route_request){ .host = span_of(hosts[i]),
							 .path = span_of(paths[i]),
							 .method = SPAN("GET"),
							 .field = no_field };
		}
		began = clock_ns(CLOCK_MONOTONIC);
		for (int i = 0; i < BATCH; i++)
			MUST(router_find(&b->table, &req[i]));
		ns[batch] = (double)(clock_ns(CLOCK_MONOTONIC) - began) / BATCH;
	}
	qsort(ns, BATCHES, sizeof(ns[0]), by_value);
	return ns[BATCHES / 2];
}

/* --- from files ---------------------------------------------------------------------------- */

enum { FILES = 20, ROUTES_EACH = 5000, HOSTS = 1000, LINE_MAX_BYTES = 160 };

static struct source write_file(uint32_t file)
{
	char *text = must_alloc(ROUTES_EACH * LINE_MAX_BYTES);
	size_t len = (size_t)sprintf(
		text, "%sroutes:\n  r:\n",
		file == 0 ? "upstreams: { u: { endpoints: [ { address: \"192.0.2.1:80\" } ] } }\n"
			  : "");

	for (uint32_t i = file * ROUTES_EACH; i < (file + 1) * ROUTES_EACH; i++)
		len += (size_t)sprintf(text + len,
				       "  - { name: route-%u, match: { host: host-%u.example.com, "
				       "path: /api/v2/service-%u/items-%u%s }, upstream: u }\n",
				       i, i % HOSTS, i / HOSTS, i, i / HOSTS % 2 ? "" : "/*");
	return (struct source){ .name = "file", .text = text, .len = len };
}

static double bytes_of_texts(const struct route_table *t)
{
	size_t bytes = 0;

	for (uint32_t i = 0; i < t->count; i++)
		bytes += strlen(t->routes[i].name) + strlen(t->routes[i].host) +
			 strlen(t->routes[i].path) + 3;
	return (double)bytes;
}

static void print_files(void)
{
	struct source files[FILES];
	struct findings findings = { 0 };
	double count = (double)FILES * ROUTES_EACH, bytes, texts, read_ms, build_ms;
	struct model *model, *again;
	uint64_t began;
	size_t before;

	for (uint32_t i = 0; i < FILES; i++)
		files[i] = write_file(i);
	before = resident();
	began = clock_ns(CLOCK_MONOTONIC);
	model = model_load_sources(files, FILES, &findings);
	read_ms = (double)(clock_ns(CLOCK_MONOTONIC) - began) / 1e6;
	MUST(model);
	began = clock_ns(CLOCK_MONOTONIC);
	again = model_again(model, NULL, &findings);
	build_ms = (double)(clock_ns(CLOCK_MONOTONIC) - began) / 1e6;
	model_destroy(again);
	bytes = (double)(resident() - before);
	texts = bytes_of_texts(&model->tables[0]);
	printf("  %.0f of %u hosts in %d files: %.0f ms to read and build, of which %.0f build; "
	       "%.0f bytes a route while names may change",
	       count, HOSTS, FILES, read_ms, build_ms, bytes / count);
	model_forget_root(model);
	bytes = (double)arena_bytes(model->arena);
	printf(", else %.0f (in pages %.0f), %.0f of them its strings: %.0f beyond\n",
	       bytes / count, (double)(resident() - before) / count, texts / count,
	       (bytes - texts) / count);
	model_destroy(model);
	for (uint32_t i = 0; i < FILES; i++)
		free((char *)files[i].text);
}

int main(void)
{
	static const uint32_t counts[] = { 100, 1000, 10000, 100000 };
	double first = 0;

	printf("routes, exact paths and prefixes in turn, asked at random; a struct route has %zu "
	       "bytes\n",
	       sizeof(struct route));
	printf("  %8s %8s %12s %8s %12s %14s\n", "routes", "hosts", "look-up ns", "x", "compile ms",
	       "bytes a route");
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		uint32_t hosts = counts[i] < 1000 ? 10 : counts[i] < 100000 ? 100 : 1000;
		struct bench b = build(counts[i], hosts, false);
		double ns = median_ns(&b, false);

		first = i == 0 ? ns : first;
		printf("  %8u %8u %12.0f %8.2f %12.1f %14.0f\n", counts[i], hosts, ns, ns / first,
		       b.compile_ms, b.bytes_each);
		arena_destroy(b.arena);
	}
	struct bench b = build(1000, 1, true);
	printf("  1000 expressions on one host: %.0f ns a look-up, compiled in %.1f ms (without "
	       "reading)\n",
	       median_ns(&b, true), b.compile_ms);
	arena_destroy(b.arena);
	print_files();
	return 0;
}
