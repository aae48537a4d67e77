/*
 * admin_get.h - one request to the admin socket of a daemon.
 */
#pragma once
#include "userspace/base/err.h"

/* The body of the answer, malloc'ed; NULL and *err where there is none, or not within 10 s. */
char *admin_get(const char *socket_path, const char *path, struct err *err);
