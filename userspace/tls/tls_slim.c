#include "userspace/tls/tls_slim.h"

#include <errno.h>
#include <openssl/err.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "userspace/base/must.h"

/* Of the call that a thread is in. */
static _Thread_local struct {
	int fd;
	bool ended; /* the last read found the end */
} wire;

static struct {
	bool usable;
	BIO_METHOD *method;
	pthread_key_t bio; /* each thread's: a BIO keeps what the last call on it met */
	pthread_mutex_t lock;
	SSL *empty; /* of TLS 1.3; has neither session nor certificates */
} slim = { .lock = PTHREAD_MUTEX_INITIALIZER };

void tls_slim_use(int fd)
{
	wire.fd = fd;
}

static int on_read(BIO *bio, char *at, int len)
{
	ssize_t n = recv(wire.fd, at, (size_t)len, 0);

	BIO_clear_retry_flags(bio);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_read(bio);
	wire.ended = n == 0;
	return (int)n;
}

static int on_write(BIO *bio, const char *at, int len)
{
	ssize_t n = send(wire.fd, at, (size_t)len, MSG_NOSIGNAL);

	BIO_clear_retry_flags(bio);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_write(bio);
	return (int)n;
}

static long on_control(BIO *bio, int what, long n, void *context)
{
	(void)bio, (void)n, (void)context;
	if (what == BIO_CTRL_EOF)
		return wire.ended;
	return what == BIO_CTRL_FLUSH; /* nothing is held back */
}

static int on_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

static void on_thread_end(void *bio)
{
	BIO_free(bio);
}

static void begin(void)
{
	/* 3.0 has been read and measured; what others make of these calls is not known. */
	slim.usable = OPENSSL_version_major() == 3 && OPENSSL_version_minor() == 0;
	slim.method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "a socket in turn");
	MUST(slim.method && pthread_key_create(&slim.bio, on_thread_end) == 0);
	BIO_meth_set_read(slim.method, on_read);
	BIO_meth_set_write(slim.method, on_write);
	BIO_meth_set_ctrl(slim.method, on_control);
	BIO_meth_set_create(slim.method, on_create);
}

static BIO *bio_of_thread(void)
{
	BIO *bio = pthread_getspecific(slim.bio);

	if (bio)
		return bio;
	bio = BIO_new(slim.method);
	if (bio && pthread_setspecific(slim.bio, bio) != 0) {
		BIO_free(bio);
		bio = NULL;
	}
	return bio;
}

/* To be given another type, a key first gives up what it is. */
static void wipe(EVP_PKEY *key)
{
	EVP_PKEY_set_type(key, EVP_PKEY_X25519);
	EVP_PKEY_free(key);
}

static void wipe_ephemeral_keys(SSL *ssl)
{
	EVP_PKEY *key;

	if (SSL_get_tmp_key(ssl, &key) == 1)
		wipe(key);
	if (SSL_get_peer_tmp_key(ssl, &key) == 1)
		wipe(key);
}

/* Has ssl's own method: with another one OpenSSL would begin ssl anew. NULL without memory. */
static SSL *empty_for(SSL *ssl)
{
	SSL *empty;

	pthread_mutex_lock(&slim.lock);
	if (!slim.empty) {
		SSL_CTX *ctx = SSL_CTX_new(SSL_get_ssl_method(ssl));

		slim.empty = ctx ? SSL_new(ctx) : NULL;
		SSL_CTX_free(ctx);
	}
	empty = slim.empty;
	pthread_mutex_unlock(&slim.lock);
	return empty && SSL_get_ssl_method(empty) == SSL_get_ssl_method(ssl) ? empty : NULL;
}

/* With TLS 1.2 the session is part of the connection: its secret, and the name that was asked. */
static bool needs_session(const SSL *ssl)
{
	const SSL_SESSION *session = SSL_get_session(ssl);

	return SSL_version(ssl) != TLS1_3_VERSION || !session ||
	       SSL_get0_peer_certificate(ssl) != NULL ||
	       SSL_SESSION_get_max_fragment_length(session) != TLSEXT_max_fragment_length_DISABLED;
}

void tls_slim(SSL *ssl)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	SSL *empty;
	BIO *bio;

	pthread_once(&once, begin);
	bio = slim.usable ? bio_of_thread() : NULL;
	if (!bio || SSL_get_rbio(ssl) == bio || !SSL_is_init_finished(ssl))
		return;
	ERR_clear_error();
	BIO_up_ref(bio); /* both of the connection's are one reference */
	SSL_set_bio(ssl, bio, bio);
	wipe_ephemeral_keys(ssl);
	if (!needs_session(ssl)) {
		empty = empty_for(ssl);
		/* The context first: a session is only taken with the context's method. */
		if (empty && SSL_set_SSL_CTX(ssl, SSL_get_SSL_CTX(empty)))
			SSL_copy_session_id(ssl, empty);
	}
	ERR_clear_error();
}
