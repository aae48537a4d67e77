/*
 * log_target.h - where lines go: a file, standard output, or a syslog socket.
 *
 * Never waits for a reader: what cannot be taken now stays with the caller. Belongs to one thread
 * at a time. A syslog socket gets a datagram a line, in the form of syslog(3) (RFC 3164, 4.1),
 * facility local0, severity informational.
 */
#pragma once
#include <stdint.h>

#include "userspace/base/err.h"
#include "userspace/base/span.h"

struct log_target;

/* "-" or "stdout", "syslog:/PATH", else the path of a file. A syslog that does not run is no
 * mistake: it may come later. NULL and *err on failure. */
struct log_target *log_target_open(const char *where, struct err *err);
void log_target_close(struct log_target *target); /* accepts NULL */
/* A file is that user's from now on, who may open it again; other kinds are nobody's. */
bool log_target_hand_over(struct log_target *target, const char *user, struct err *err);
/* Whole lines, each with its end (the first may be the rest of one). How many bytes are done with:
 * 0 where nothing goes now. *lost: lines among them that can never go are added. */
size_t log_target_write(struct log_target *target, struct span lines, uint64_t *lost);
/* What to wait for until more is taken: writable; -1: only time helps. */
int log_target_fd(const struct log_target *target);
/* Why the last write took nothing; 0 where it only has to be waited for. An errno. */
int log_target_error(const struct log_target *target);
