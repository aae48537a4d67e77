#include "userspace/control/config_watch.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "userspace/base/must.h"
#include "userspace/model/model_files.h"

enum { SETTLE_MS = 100, READ_BYTES = 4096, CONTENT_MAX = 64 << 20 };

struct config_watch {
	int fd;
	char *file;
	const char *base; /* its last part; NULL: it is a directory, all of it matters */
	struct watch watch;
	struct timer settle;
	bool settling;
	uint64_t content; /* hash; 0: unknown */
	void (*on_change)(void *context);
	void *context;
};

static bool file_hash(XXH3_state_t *state, const char *file)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t total = 0;
	char bytes[READ_BYTES];
	ssize_t n = -1;

	while (fd >= 0 && total < CONTENT_MAX && (n = read(fd, bytes, sizeof(bytes))) > 0) {
		XXH3_64bits_update(state, bytes, (size_t)n);
		total += (size_t)n;
	}
	if (fd >= 0)
		close(fd);
	return n == 0;
}

/* 0 where it cannot be read: then there is nothing to load, the next event asks again. */
static uint64_t content_hash(const char *path)
{
	XXH3_state_t *state = XXH3_createState();
	struct file_list files;
	uint64_t hash = 0;
	bool done;

	MUST(state);
	XXH3_64bits_reset(state);
	done = file_list_init(&files, path, NULL);
	for (uint32_t i = 0; done && i < files.count; i++) {
		XXH3_64bits_update(state, files.paths[i], strlen(files.paths[i]) + 1);
		done = file_hash(state, files.paths[i]);
	}
	file_list_fini(&files);
	if (done)
		hash = XXH3_64bits_digest(state) | 1;
	XXH3_freeState(state);
	return hash;
}

static void on_settled(void *context)
{
	struct config_watch *w = context;
	uint64_t now = content_hash(w->file);

	w->settling = false;
	if (now == 0 || now == w->content)
		return;
	w->content = now;
	w->on_change(w->context);
}

/* A folder mounted by Kubernetes swaps the link "..data", not the file. */
static bool is_ours(const struct config_watch *w, const struct inotify_event *event)
{
	return event->len &&
	       (!w->base || !strcmp(event->name, w->base) || !strcmp(event->name, "..data"));
}

static void on_readable(void *context, int events)
{
	struct config_watch *w = context;
	char bytes[READ_BYTES] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n = read(w->fd, bytes, sizeof(bytes));
	bool ours = false;

	(void)events;
	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *event = (const void *)(bytes + at);

		ours |= is_ours(w, event) || event->mask & IN_Q_OVERFLOW;
		at += (ssize_t)(sizeof(*event) + event->len);
	}
	if (!ours || w->settling)
		return; /* a stream of events cannot put it off */
	w->settling = true;
	timer_start(&w->settle, SETTLE_MS);
}

static bool watch_folder(struct config_watch *w, struct err *err)
{
	const uint32_t events =
		IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE;
	char folder[PATH_MAX];
	const char *slash = strrchr(w->file, '/');
	struct stat st;
	int len = !slash ? 1 : slash == w->file ? 1 : (int)(slash - w->file);

	w->base = slash ? slash + 1 : w->file;
	if (len >= PATH_MAX)
		return err_set(err, "the path of the configuration is too long");
	snprintf(folder, sizeof(folder), "%.*s", len, slash ? w->file : ".");
	if (stat(w->file, &st) == 0 && S_ISDIR(st.st_mode)) {
		snprintf(folder, sizeof(folder), "%s", w->file);
		w->base = NULL;
	}
	if (inotify_add_watch(w->fd, folder, events) < 0)
		return err_sys(err, "cannot watch %s for changes", folder);
	return true;
}

struct config_watch *config_watch_create(struct loop *loop, const char *file,
					 void (*on_change)(void *context), void *context,
					 struct err *err)
{
	struct config_watch *w = must_alloc(sizeof(*w));

	w->file = strdup(file);
	MUST(w->file);
	w->on_change = on_change;
	w->context = context;
	w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (w->fd < 0) {
		err_sys(err, "cannot watch %s for changes", file);
		goto free_watch;
	}
	if (!watch_folder(w, err))
		goto close_fd;
	w->content = content_hash(file);
	timer_init(&w->settle, loop, on_settled, w);
	watch_init(&w->watch, loop, w->fd, on_readable, w);
	watch_set(&w->watch, WATCH_READ);
	return w;
close_fd:
	close(w->fd);
free_watch:
	free(w->file);
	free(w);
	return NULL;
}

void config_watch_destroy(struct config_watch *w)
{
	if (!w)
		return;
	watch_fini(&w->watch);
	timer_stop(&w->settle);
	close(w->fd);
	free(w->file);
	free(w);
}

void config_watch_seen(struct config_watch *w)
{
	if (w)
		w->content = content_hash(w->file);
}
