#include "userspace/tls/transport_tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "userspace/tls/handshake_pool.h"
#include "userspace/tls/tls_error.h"
#include "userspace/tls/tls_slim.h"
#include "userspace/tls/tls_tickets.h"

enum {
	RECORD_SMALL = 4096 - 64, /* decodable before a whole 16 KiB has crossed a slow path */
	RECORD_LARGE = 16384,
	SMALL_BYTES = 65536, /* small records at first */
};

static SSL *ssl_of(const struct conn *conn)
{
	return conn->transport;
}

/* For a call that reads or writes, and whose errors are its own. */
static SSL *begin(const struct conn *conn)
{
	ERR_clear_error();
	tls_slim_use(conn->fd);
	return ssl_of(conn);
}

/* What an SSL_... call that moved nothing means, as errno. usual: what the caller waits for anyway.
 */
static int meaning(struct conn *conn, int ssl_error, int usual)
{
	conn->wants = 0;
	switch (ssl_error) {
	case SSL_ERROR_WANT_READ:
		conn->wants = usual == WATCH_READ ? 0 : WATCH_READ;
		return EAGAIN;
	case SSL_ERROR_WANT_WRITE:
		conn->wants = usual == WATCH_WRITE ? 0 : WATCH_WRITE;
		return EAGAIN;
	case SSL_ERROR_SYSCALL:
		return errno && errno != EAGAIN ? errno : ECONNRESET;
	default:
		return EPROTO;
	}
}

static int explain(struct conn *conn, int result, int usual)
{
	return meaning(conn, SSL_get_error(ssl_of(conn), result), usual);
}

/* A session may be given up later, for its memory. */
static void note_session(struct conn *conn)
{
	if (!SSL_is_server(ssl_of(conn)))
		return;
	conn->secured_as = tls_tickets_session(ssl_of(conn));
	conn->resumed = SSL_session_reused(ssl_of(conn));
}

static int handshake(struct conn *conn)
{
	int result;

	result = SSL_do_handshake(begin(conn));
	if (result != 1)
		return explain(conn, result, 0); /* what fails stays in the queue, to be told */
	conn->wants = 0;
	note_session(conn);
	return 0;
}

static ssize_t tls_read(struct conn *conn, void *at, size_t len)
{
	int n;

	n = SSL_read(begin(conn), at, len < INT32_MAX ? (int)len : INT32_MAX);
	if (n > 0)
		return n;
	if (SSL_get_error(ssl_of(conn), n) == SSL_ERROR_ZERO_RETURN)
		return 0;
	errno = explain(conn, n, WATCH_READ);
	return -1;
}

static ssize_t tls_write(struct conn *conn, const void *at, size_t len)
{
	size_t record = conn->put < SMALL_BYTES ? RECORD_SMALL : RECORD_LARGE;
	int n;

	n = SSL_write(begin(conn), at, (int)(len < record ? len : record));
	if (n > 0)
		return n;
	errno = explain(conn, n, WATCH_WRITE);
	return -1;
}

static void finish(struct conn *conn)
{
	if (SSL_is_init_finished(ssl_of(conn)))
		SSL_shutdown(begin(conn)); /* close_notify, as far as there is room for it */
	ERR_clear_error();
}

static void tls_rest(struct conn *conn)
{
	if (SSL_is_server(ssl_of(conn)))
		tls_slim(ssl_of(conn));
}

static void tls_free(struct conn *conn)
{
	handshake_job_destroy(SSL_get_app_data(ssl_of(conn)));
	SSL_free(ssl_of(conn));
	conn->transport = NULL;
	conn->ops = NULL;
}

static const struct transport_ops ops = {
	handshake, tls_read, tls_write, finish, tls_rest, tls_free
};

/* The step is done: the session asks for it as if the socket had become ready. */
static void on_step_done(void *context)
{
	struct conn *conn = context;

	conn->away = false;
	conn->stepped = true;
	conn->watch.on_ready(conn->watch.context, WATCH_READ);
}

static bool has_bytes(const struct conn *conn)
{
	char byte;

	return recv(conn->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno != EAGAIN;
}

/* What the helpers found, as handshake() says it. */
static int step_result(struct conn *conn, struct handshake_job *job)
{
	int error = handshake_job_result(job, &errno);

	conn->stepped = false;
	if (error != SSL_ERROR_NONE)
		return meaning(conn, error, 0);
	conn->wants = 0;
	conn->ops = &ops; /* what follows is cheap */
	note_session(conn);
	SSL_set_app_data(ssl_of(conn), NULL);
	handshake_job_destroy(job);
	return 0;
}

static int handshake_aside(struct conn *conn)
{
	struct handshake_job *job = SSL_get_app_data(ssl_of(conn));

	if (conn->stepped)
		return step_result(conn, job);
	if (conn->wants != WATCH_WRITE && !has_bytes(conn)) {
		conn->wants = WATCH_READ;
		return EAGAIN;
	}
	if (!handshake_job_give(job)) {
		int error = handshake(conn);

		if (error == 0)
			conn->ops = &ops;
		return error;
	}
	conn->wants = 0;
	conn->away = true;
	return EAGAIN;
}

static const struct transport_ops ops_aside = { handshake_aside, tls_read, tls_write,
						finish,          tls_rest, tls_free };

static bool attach(struct conn *conn, SSL *ssl)
{
	if (!ssl)
		return false;
	conn->ops = &ops;
	conn->transport = ssl;
	return true;
}

bool transport_tls_accept(struct conn *conn, const struct tls_server *server)
{
	struct handshake_job *job;

	if (!attach(conn, tls_server_ssl(server, conn->fd)))
		return false;
	if (!tls_server_is_slow(server))
		return true;
	job = handshake_job_create(ssl_of(conn), conn->watch.loop, on_step_done, conn);
	if (job && SSL_set_app_data(ssl_of(conn), job))
		conn->ops = &ops_aside;
	else
		handshake_job_destroy(job);
	return true;
}

bool transport_tls_connect(struct conn *conn, const struct tls_client *client)
{
	conn->secured_as = tls_client_identity(client);
	return attach(conn, tls_client_ssl(client, conn->fd));
}

const char *transport_tls_version(const struct conn *conn)
{
	return conn->ops == &ops ? SSL_get_version(ssl_of(conn)) : NULL;
}

const char *transport_tls_name(const struct conn *conn)
{
	return conn->ops == &ops ? SSL_get_servername(ssl_of(conn), TLSEXT_NAMETYPE_host_name)
				 : NULL;
}

struct span transport_tls_alpn(const struct conn *conn)
{
	const unsigned char *name = NULL;
	unsigned len = 0;

	if (conn->ops == &ops)
		SSL_get0_alpn_selected(ssl_of(conn), &name, &len);
	return span_make((const char *)name, len);
}

const char *transport_tls_failure(const struct conn *conn)
{
	long verdict = conn->ops == &ops ? SSL_get_verify_result(ssl_of(conn)) : X509_V_OK;

	if (verdict != X509_V_OK) {
		ERR_clear_error();
		return X509_verify_cert_error_string(verdict);
	}
	return tls_error_reason();
}

bool transport_tls_subject(const struct conn *conn, char *out, size_t cap)
{
	X509 *cert = conn->ops == &ops ? SSL_get0_peer_certificate(ssl_of(conn)) : NULL;
	BIO *text;
	int n = 0;

	if (!cert || SSL_get_verify_result(ssl_of(conn)) != X509_V_OK)
		return false;
	text = BIO_new(BIO_s_mem());
	if (text && X509_NAME_print_ex(text, X509_get_subject_name(cert), 0, XN_FLAG_RFC2253) >= 0)
		n = BIO_read(text, out, (int)cap - 1);
	if (text && BIO_pending(text) > 0)
		n = 0;
	BIO_free(text);
	if (n <= 0)
		return false;
	out[n] = 0;
	return true;
}
