#include "userspace/snapshot/token_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "userspace/base/must.h"

#define STATE_FILE "persistence.key"

static void make(struct token_keys *out)
{
	MUST(getrandom(out->keys[0], TOKEN_KEY_BYTES, 0) == TOKEN_KEY_BYTES);
	out->count = 1;
}

/* Control thread only. */
static void of_process(struct token_keys *out)
{
	static struct token_keys made;

	if (made.count == 0)
		make(&made);
	*out = made;
}

static bool read_file(const char *path, struct token_keys *out, struct err *err)
{
	uint8_t bytes[TOKEN_KEYS_MAX * TOKEN_KEY_BYTES + 1];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, bytes, sizeof(bytes));
	bool ok = n > 0 && n % TOKEN_KEY_BYTES == 0 && (size_t)n < sizeof(bytes);

	if (n < 0)
		err_sys(err, "cannot read the persistence keys %s", path);
	else if (!ok)
		err_set(err,
			"expected 1 to %d persistence keys of %d bytes in %s, found %zd bytes; "
			"make one with `openssl rand %d`",
			TOKEN_KEYS_MAX, TOKEN_KEY_BYTES, path, n, TOKEN_KEY_BYTES);
	if (fd >= 0)
		close(fd);
	if (ok) {
		memcpy(out->keys, bytes, (size_t)n);
		out->count = (uint32_t)(n / TOKEN_KEY_BYTES);
	}
	OPENSSL_cleanse(bytes, sizeof(bytes));
	return ok;
}

/* Whole or not at all, whoever else makes one at the same time: the first that is there counts. */
static bool make_file(const char *path, struct err *err)
{
	char half[PATH_MAX];
	struct token_keys made;
	bool ok;
	int fd;

	if (snprintf(half, sizeof(half), "%s.%d", path, (int)getpid()) >= (int)sizeof(half))
		return err_set(err, "the state directory's path is too long");
	fd = open(half, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(err, "cannot make a persistence key in %s", half);
	make(&made);
	ok = write(fd, made.keys[0], TOKEN_KEY_BYTES) == TOKEN_KEY_BYTES && fsync(fd) == 0 &&
	     (link(half, path) == 0 || errno == EEXIST);
	if (!ok)
		err_sys(err, "cannot keep a persistence key in %s", path);
	unlink(half);
	close(fd);
	OPENSSL_cleanse(&made, sizeof(made));
	return ok;
}

bool token_keys_load(const char *path, const char *state, struct token_keys *out, struct err *err)
{
	char own[PATH_MAX];

	if (path)
		return read_file(path, out, err);
	if (!state) {
		of_process(out);
		return true;
	}
	if (snprintf(own, sizeof(own), "%s/" STATE_FILE, state) >= (int)sizeof(own))
		return err_set(err, "the state directory's path is too long");
	if (access(own, F_OK) < 0 && !make_file(own, err))
		return false;
	return read_file(own, out, err);
}
