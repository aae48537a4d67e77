/*
 * admin.h - the admin API: HTTP/1.1 with JSON on a unix socket, one request a connection.
 *
 * Knows how to serve; what is said comes from hooks. Belongs to the control thread.
 */
#pragma once
#include <stdbool.h>

#include "userspace/base/err.h"
#include "userspace/base/span.h"
#include "userspace/net/loop.h"

struct admin;

/* The JSON text for a path, malloc'ed; NULL: no such path. */
struct admin_request;
struct admin_hooks {
	char *(*on_get)(void *context, struct span path);
	/* What POST does; *out_status is 200, or 400 where the text says what is wrong. */
	char *(*on_post)(void *context, const struct admin_request *request, uint32_t *out_status);
	void *context;
};

/*
 * Listens at path with mode 0660. A socket file that a dead daemon left is replaced; where a live
 * one answers, or something else than a socket is there, it is refused. NULL and *err on failure.
 */
struct admin *admin_create(struct loop *loop, const char *path, const struct admin_hooks *hooks,
			   struct err *err);
/*
 * The socket of the process whose place we take, which is at path; NULL where it is not. It is
 * theirs until admin_own.
 */
struct admin *admin_inherit(struct loop *loop, const char *path, int fd,
			    const struct admin_hooks *hooks);
int admin_fd(const struct admin *admin); /* listening; -1 for NULL */
/* Whose is the socket file, and who answers? Both accept NULL. */
void admin_own(struct admin *admin);
void admin_leave(struct admin *admin);
/* Gives the socket, and its folder where we made it, to that user; both may be NULL. */
bool admin_hand_over(struct admin *admin, const char *user, struct err *err);
void admin_destroy(struct admin *admin); /* removes a socket file that is ours; accepts NULL */
/* Does a live daemon listen there? */
bool admin_is_answered(const char *path);
