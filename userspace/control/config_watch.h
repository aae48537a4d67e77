/*
 * config_watch.h - notices that the configuration has other content.
 *
 * Editors and deployment tools write a new file and rename it over the old one, so the folder is
 * watched; of a directory of configuration, the directory. Knows nothing of what the file means.
 * Belongs to the control thread.
 */
#pragma once
#include "userspace/base/err.h"
#include "userspace/net/loop.h"

struct config_watch;

/* on_change is called a moment after the last of a burst of events, where content has changed. */
struct config_watch *config_watch_create(struct loop *loop, const char *file,
					 void (*on_change)(void *context), void *context,
					 struct err *err);
void config_watch_destroy(struct config_watch *watch); /* accepts NULL */
/* The present content is known: it is what was just loaded. */
void config_watch_seen(struct config_watch *watch);
