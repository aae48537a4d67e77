/*
 * health_socket.h - sockets that probe: connected, non-blocking, marked for their tunnel.
 */
#pragma once
#include "userspace/base/err.h"
#include "userspace/upstream/health_probe.h"

/* SOCK_STREAM or SOCK_DGRAM to way->to; -1 and *err. A connection may be under way still. */
int health_socket_open(const struct health_way *way, int type, struct err *err);
/* A stream of before that was reset, and whose way had the same family, source and device; false
 * and *err where it cannot. */
bool health_socket_again(int fd, const struct health_way *way, struct err *err);

enum { HEALTH_ECHO_SMALL = 32, HEALTH_ECHO_MAX = 9216 };

/* An echo request of that many bytes, IP header included, that may not be fragmented, and whose
 * answer the socket will hear: to way->to by the same way, or to the host itself. */
int health_echo_open(const struct health_way *way, bool outer, uint32_t bytes, uint16_t id,
		     struct err *err);
/* 1: it was answered, 0: not yet. */
int health_echo_heard(int fd, bool v4, uint16_t id);
