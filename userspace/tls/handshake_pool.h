/*
 * handshake_pool.h - threads that do steps of handshakes whose keys are slow, beside the workers.
 *
 * A signature by a 4096-bit RSA key takes as long as hundreds of requests, and a loop does nothing
 * else meanwhile. A whole step of the handshake is handed over, as OpenSSL's state is whole between
 * two of them: until it is given back, nobody else touches the SSL and its socket. The threads give
 * way to workers (nice), so what is at work goes before what wants to begin.
 *
 * Knows OpenSSL and loops. Knows nothing of sessions. Give and cancel: the job's worker.
 */
#pragma once
#include <openssl/ssl.h>
#include <stdbool.h>

#include "userspace/net/loop.h"

struct handshake_job;

/* ssl and loop are borrowed. NULL without memory. */
struct handshake_job *handshake_job_create(SSL *ssl, struct loop *loop,
					   void (*on_done)(void *context), void *context);
/* Waits where the step is being done just now (a few milliseconds); no on_done comes after. */
void handshake_job_destroy(struct handshake_job *job); /* accepts NULL */
/* One more step; on_done follows, in the loop. False: there are no threads, do it yourself. */
bool handshake_job_give(struct handshake_job *job);
/* As SSL_get_error says of the last step, and errno behind it. */
int handshake_job_result(const struct handshake_job *job, int *out_errno);
