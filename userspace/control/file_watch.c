#include "userspace/control/file_watch.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "userspace/base/must.h"

enum { LOOK_MS = 1000, FILES_MAX = 4096 };

struct file_watch {
	struct loop *loop;
	struct timer look;
	void (*on_change)(void *context);
	void *context;
	char *paths[FILES_MAX]; /* more are not watched: a signal reloads them */
	uint32_t count;
	uint64_t loaded, seen; /* signatures of all files together */
};

/* What changes with a file's content or when another one takes its place. */
static uint64_t signature(const struct file_watch *w)
{
	uint64_t hash = 1;

	for (uint32_t i = 0; i < w->count; i++) {
		struct stat st;
		uint64_t parts[5] = { i };

		if (stat(w->paths[i], &st) == 0) {
			parts[1] = st.st_ino;
			parts[2] = (uint64_t)st.st_size;
			parts[3] = (uint64_t)st.st_mtim.tv_sec;
			parts[4] = (uint64_t)st.st_mtim.tv_nsec;
		}
		hash = XXH3_64bits_withSeed(parts, sizeof(parts), hash);
	}
	return hash;
}

static void on_look(void *context)
{
	struct file_watch *w = context;
	uint64_t now = signature(w);
	bool settled = now == w->seen;

	w->seen = now;
	timer_start(&w->look, LOOK_MS);
	if (now == w->loaded || !settled)
		return;
	w->loaded = now; /* told once, also where it cannot be used */
	w->on_change(w->context);
}

static void forget(struct file_watch *w)
{
	while (w->count > 0)
		free(w->paths[--w->count]);
}

struct file_watch *file_watch_create(struct loop *loop, void (*on_change)(void *context),
				     void *context)
{
	struct file_watch *w = must_alloc(sizeof(*w));

	w->loop = loop;
	w->on_change = on_change;
	w->context = context;
	timer_init(&w->look, loop, on_look, w);
	return w;
}

void file_watch_destroy(struct file_watch *w)
{
	if (!w)
		return;
	timer_stop(&w->look);
	forget(w);
	free(w);
}

static void add(struct file_watch *w, const char *path)
{
	if (!path || w->count == FILES_MAX)
		return;
	w->paths[w->count] = strdup(path);
	MUST(w->paths[w->count]);
	w->count++;
}

static void add_answer(struct file_watch *w, const struct route *route)
{
	if (route->action == ROUTE_RESPOND && route->answer->file)
		add(w, route->answer->file);
}

void file_watch_follow(struct file_watch *w, const struct model *model)
{
	forget(w);
	for (uint32_t i = 0; i < model->certificate_count; i++) {
		add(w, model->certificates[i].chain);
		add(w, model->certificates[i].key);
		add(w, model->certificates[i].ocsp);
	}
	for (uint32_t i = 0; i < model->vip_count; i++)
		for (uint32_t k = 0; k < model->vips[i].listener_count; k++)
			add(w, model->vips[i].listeners[k].tls.client_ca);
	for (uint32_t i = 0; i < model->upstream_count; i++)
		add(w, model->upstreams[i].tls.ca);
	for (uint32_t i = 0; i < model->table_count; i++)
		for (uint32_t k = 0; k < model->tables[i].count; k++)
			add_answer(w, &model->tables[i].routes[k]);
	add(w, model->node.ticket_keys);
	add(w, model->node.persistence_keys);
	add(w, model->node.countries);
	w->loaded = w->seen = signature(w);
	if (w->count > 0)
		timer_start(&w->look, LOOK_MS);
	else
		timer_stop(&w->look);
}
