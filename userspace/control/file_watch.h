/*
 * file_watch.h - notices that one of a few files has changed: certificates, keys, databases.
 *
 * They lie anywhere, behind links that tools turn round, so they are looked at once a second
 * instead of being watched. A change is told once it has stood still for a look. Control thread.
 */
#pragma once
#include "userspace/model/model.h"
#include "userspace/net/loop.h"

struct file_watch;

struct file_watch *file_watch_create(struct loop *loop, void (*on_change)(void *context),
				     void *context);
void file_watch_destroy(struct file_watch *watch); /* accepts NULL */
/* From now on the files that this model names, as they are at present. */
void file_watch_follow(struct file_watch *watch, const struct model *model);
