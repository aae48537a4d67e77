#include "userspace/tls/tls_tickets.h"

#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "userspace/base/must.h"

enum { NAME_BYTES = 16, AES_BYTES = 32, HMAC_BYTES = 32 };

struct ticket_key {
	unsigned char name[NAME_BYTES], aes[AES_BYTES], hmac[HMAC_BYTES];
};
_Static_assert(sizeof(struct ticket_key) == TICKET_KEY_BYTES, "as they lie in the file");

/* Once a handshake, so a lock costs nothing beside it. */
static struct {
	pthread_mutex_t lock;
	struct ticket_key keys[TICKET_KEYS_MAX]; /* newest first */
	uint32_t count;
	time_t born;
	bool from_file;
} tickets = { .lock = PTHREAD_MUTEX_INITIALIZER };

static time_t now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* Under the lock. */
static void turn_over(void)
{
	if (tickets.from_file || (tickets.count > 0 && now_s() - tickets.born < TICKET_TURN_S))
		return;
	memmove(&tickets.keys[1], &tickets.keys[0],
		(TICKET_KEYS_MAX - 1) * sizeof(tickets.keys[0]));
	MUST(RAND_bytes((unsigned char *)&tickets.keys[0], sizeof(tickets.keys[0])) == 1);
	if (tickets.count < TICKET_KEYS_MAX)
		tickets.count++;
	tickets.born = now_s();
}

bool tls_tickets_use(const char *path, struct err *err)
{
	struct ticket_key keys[TICKET_KEYS_MAX + 1];
	ssize_t n = 0;
	int fd;

	if (path) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		n = fd < 0 ? -1 : read(fd, keys, sizeof(keys));
		if (fd >= 0)
			close(fd);
		if (n < 0)
			return err_sys(err, "cannot read the ticket keys %s", path);
		if (n == 0 || n % TICKET_KEY_BYTES || n > TICKET_KEYS_MAX * TICKET_KEY_BYTES)
			return err_set(err,
				       "expected 1 to %d ticket keys of %d bytes in %s, found %zd "
				       "bytes; make one with `openssl rand %d`",
				       TICKET_KEYS_MAX, TICKET_KEY_BYTES, path, n,
				       TICKET_KEY_BYTES);
	}
	pthread_mutex_lock(&tickets.lock);
	if (path)
		memcpy(tickets.keys, keys, (size_t)n);
	if (path || tickets.from_file)
		tickets.count = (uint32_t)(n / TICKET_KEY_BYTES);
	tickets.from_file = path != NULL;
	turn_over();
	pthread_mutex_unlock(&tickets.lock);
	OPENSSL_cleanse(keys, sizeof(keys));
	return true;
}

/* The key of that name; *out_old: another one encrypts by now. */
static bool find_key(const unsigned char *name, struct ticket_key *out_key, bool *out_old)
{
	bool found = false;

	pthread_mutex_lock(&tickets.lock);
	turn_over();
	for (uint32_t i = 0; i < tickets.count && !found; i++)
		if (!name || memcmp(tickets.keys[i].name, name, NAME_BYTES) == 0) {
			*out_key = tickets.keys[i];
			*out_old = i > 0;
			found = true;
		}
	pthread_mutex_unlock(&tickets.lock);
	return found;
}

static bool start(const struct ticket_key *key, unsigned char *iv, EVP_CIPHER_CTX *cipher,
		  EVP_MAC_CTX *mac, int encrypt)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
				OSSL_PARAM_construct_end() };

	return EVP_MAC_init(mac, key->hmac, HMAC_BYTES, params) == 1 &&
	       EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->aes, iv, encrypt) == 1;
}

/* SSL_CTX_set_tlsext_ticket_key_evp_cb(3): 1 good, 2 good but renew, 0 unknown, -1 failure. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
		     EVP_MAC_CTX *mac, int encrypt)
{
	struct ticket_key key;
	bool old = false;
	int result;

	if (!find_key(encrypt ? NULL : name, &key, &old))
		return encrypt ? -1 : 0;
	if (encrypt) {
		memcpy(name, key.name, NAME_BYTES);
		if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1)
			return -1;
	}
	result = start(&key, iv, cipher, mac, encrypt) ? 1 : -1;
	OPENSSL_cleanse(&key, sizeof(key));
	/* TLS 1.3 gives a new ticket with every connection anyway. */
	return result == 1 && old && !encrypt && SSL_version(ssl) < TLS1_3_VERSION ? 2 : result;
}

/* A session's number goes on into all tickets that follow from its first. */
static int on_make(SSL *ssl, void *context)
{
	SSL_SESSION *session = SSL_get_session(ssl);
	uint64_t number;

	(void)context;
	if (tls_tickets_session(ssl) != 0 ||
	    RAND_bytes((unsigned char *)&number, sizeof(number)) != 1)
		return 1;
	SSL_SESSION_set1_ticket_appdata(session, &number, sizeof(number));
	return 1;
}

/* As OpenSSL decides without asking; it reads no data of ours unless it may ask. */
static SSL_TICKET_RETURN on_read(SSL *ssl, SSL_SESSION *session, const unsigned char *name,
				 size_t name_len, SSL_TICKET_STATUS status, void *context)
{
	(void)ssl, (void)session, (void)name, (void)name_len, (void)context;
	switch (status) {
	case SSL_TICKET_EMPTY:
	case SSL_TICKET_NO_DECRYPT:
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	case SSL_TICKET_SUCCESS:
		return SSL_TICKET_RETURN_USE;
	case SSL_TICKET_SUCCESS_RENEW:
		return SSL_TICKET_RETURN_USE_RENEW;
	default:
		return SSL_TICKET_RETURN_ABORT;
	}
}

uint64_t tls_tickets_session(const SSL *ssl)
{
	SSL_SESSION *session = SSL_get_session(ssl);
	uint64_t number = 0;
	void *data = NULL;
	size_t len = 0;

	if (session && SSL_SESSION_get0_ticket_appdata(session, &data, &len) == 1 &&
	    len == sizeof(number))
		memcpy(&number, data, sizeof(number));
	return number;
}

void tls_tickets_attach(SSL_CTX *ctx)
{
	SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket);
	SSL_CTX_set_session_ticket_cb(ctx, on_make, on_read, NULL);
}
