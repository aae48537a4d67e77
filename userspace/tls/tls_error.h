/*
 * tls_error.h - OpenSSL's queue of errors, as the end of a sentence.
 *
 * The queue is the thread's own and is emptied.
 */
#pragma once
#include "userspace/base/err.h"

/* "cannot read the key x.key: no start line". Returns false, as err_set does. */
bool tls_error(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The reason of the first error, "unknown error" where there is none. A literal or of the thread.
 */
const char *tls_error_reason(void);
