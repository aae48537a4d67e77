#include "tools/soak/soak.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct soak_fate *soak_map(const char *path, uint64_t *out_count)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat found;
	void *at;

	if (fd < 0 || fstat(fd, &found) != 0)
		return NULL;
	at = mmap(NULL, (size_t)found.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	*out_count = (uint64_t)found.st_size / sizeof(struct soak_fate);
	return at == MAP_FAILED ? NULL : at;
}

bool soak_put(struct soak_peer *peer, const void *at, size_t len)
{
	const char *from = at;

	while (len > 0) {
		long n = peer->put(peer, from, len);

		if (n <= 0)
			return false;
		from += n;
		len -= (size_t)n;
	}
	return true;
}

static bool fill(struct soak_peer *peer)
{
	long n;

	if (peer->first == peer->end)
		peer->first = peer->end = 0;
	if (peer->end == sizeof(peer->in))
		return false;
	n = peer->get(peer, peer->in + peer->end, sizeof(peer->in) - peer->end);
	if (n <= 0)
		return false;
	peer->end += (size_t)n;
	return true;
}

/* Without its CR LF, ended by NUL; false at the end, or where it is too long. */
static bool read_line(struct soak_peer *peer, char *out, size_t cap)
{
	for (;;) {
		char *from = peer->in + peer->first;
		char *lf = memchr(from, '\n', peer->end - peer->first);
		size_t len = lf ? (size_t)(lf - from) : 0;

		if (lf) {
			if (len == 0 || len > cap || from[len - 1] != '\r')
				return false;
			memcpy(out, from, len - 1);
			out[len - 1] = '\0';
			peer->first += len + 1;
			return true;
		}
		if (peer->first > 0) {
			memmove(peer->in, from, peer->end - peer->first);
			peer->end -= peer->first;
			peer->first = 0;
		}
		if (!fill(peer))
			return false;
	}
}

static void read_field(const char *line, struct soak_head *out)
{
	if (strncasecmp(line, "Content-Length: ", 16) == 0)
		out->length = strtoll(line + 16, NULL, 10);
	else if (strncasecmp(line, "X-Soak: ", 8) == 0)
		out->number = strtoull(line + 8, NULL, 10);
	else if (strcasecmp(line, "Transfer-Encoding: chunked") == 0)
		out->chunked = true;
	else if (strcasecmp(line, "Connection: close") == 0)
		out->close = true;
}

bool soak_read_head(struct soak_peer *peer, struct soak_head *out, const char **why)
{
	char line[4096];

	*out = (struct soak_head){ .number = UINT64_MAX, .length = -1 };
	*why = "it ended before a head";
	if (!read_line(peer, out->line, sizeof(out->line)))
		return false;
	*why = "it ended in a head";
	while (read_line(peer, line, sizeof(line))) {
		if (!line[0])
			return true;
		read_field(line, out);
	}
	return false;
}

static bool read_exactly(struct soak_peer *peer, char *out, size_t len)
{
	while (len > 0) {
		size_t n = peer->end - peer->first;

		n = n < len ? n : len;
		memcpy(out, peer->in + peer->first, n);
		peer->first += n;
		out += n;
		len -= n;
		if (len > 0 && !fill(peer))
			return false;
	}
	return true;
}

static bool read_chunks(struct soak_peer *peer, char *out, size_t cap, size_t *out_len,
			const char **why)
{
	char line[256];

	*out_len = 0;
	for (;;) {
		size_t len;

		*why = "it ended before a chunk";
		if (!read_line(peer, line, sizeof(line)))
			return false;
		len = strtoul(line, NULL, 16);
		*why = "there is more than there should be";
		if (len > cap - *out_len)
			return false;
		*why = "it ended in a chunk";
		if (!read_exactly(peer, out + *out_len, len) ||
		    !read_line(peer, line, sizeof(line)) || line[0])
			return false;
		if (len == 0)
			return true;
		*out_len += len;
	}
}

bool soak_read_body(struct soak_peer *peer, const struct soak_head *head, char *out, size_t cap,
		    size_t *out_len, const char **why)
{
	*out_len = 0;
	if (head->chunked)
		return read_chunks(peer, out, cap, out_len, why);
	if (head->length <= 0)
		return true;
	*why = "there is more than there should be";
	if ((uint64_t)head->length > cap)
		return false;
	*why = "it ended in a body";
	*out_len = (size_t)head->length;
	return read_exactly(peer, out, *out_len);
}

bool soak_put_chunked(struct soak_peer *peer, uint64_t n, const char *at, size_t len)
{
	uint64_t x = n;
	char line[32];

	while (len > 0) {
		size_t size = 1 + (x = soak_mix(x + 1)) % SOAK_CHUNK;

		size = size < len ? size : len;
		snprintf(line, sizeof(line), "%zx\r\n", size);
		if (!soak_put(peer, line, strlen(line)) || !soak_put(peer, at, size) ||
		    !soak_put(peer, "\r\n", 2))
			return false;
		at += size;
		len -= size;
	}
	return soak_put(peer, "0\r\n\r\n", 5);
}
