#include "userspace/control/accept_watch.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "userspace/base/log.h"
#include "userspace/base/must.h"

enum {
	LOOK_MS = 100,
	LOOKS_MAX = 1024, /* sockets at a time, of 0.3 us each */
};

/* A listener at one of its addresses. */
struct watched {
	struct addr address; /* with port */
	struct accept_state state;
	uint32_t fd_count;
	int *fds;
};

struct accept_watch {
	struct loop *loop;
	struct fast_path *fast_path;
	struct timer timer;
	struct watched *list;
	uint32_t count, next; /* next: where the next look begins */
	uint64_t times;       /* that a listener became pressed */
};

bool accept_state_update(struct accept_state *s, uint32_t waiting, uint32_t room, uint64_t now_ms)
{
	bool before = s->pressed;

	if (waiting > room / 8)
		s->last_ms = now_ms;
	if (room && waiting >= (room + 1) / 2)
		s->pressed = true;
	else if (s->pressed && now_ms - s->last_ms >= ACCEPT_CALM_MS)
		s->pressed = false;
	return s->pressed != before;
}

/* Of a listening socket the kernel says in these fields how many wait, and how many may. */
static bool queue_read(int fd, uint32_t *waiting, uint32_t *room)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0 || info.tcpi_state != TCP_LISTEN)
		return false;
	*waiting = info.tcpi_unacked;
	*room = info.tcpi_sacked;
	return true;
}

/* The fullest of its queues: whoever is steered there is in trouble, whatever the others have. */
static void look_at(struct accept_watch *w, struct watched *at)
{
	struct addr_text name = addr_print(&at->address);
	uint32_t waiting = 0, room = 0;

	for (uint32_t i = 0; i < at->fd_count; i++) {
		uint32_t n, of;

		if (!queue_read(at->fds[i], &n, &of) ||
		    (room && (uint64_t)n * room <= (uint64_t)waiting * of))
			continue;
		waiting = n;
		room = of;
	}
	if (accept_state_update(&at->state, waiting, room, loop_now_ms(w->loop))) {
		w->times += at->state.pressed;
		if (at->state.pressed)
			log_line(LOG_WARNING,
				 "%s: %u connections of at most %u wait to be accepted; its SYNs "
				 "are answered with cookies",
				 name.text, waiting, room);
		else
			log_line(LOG_NOTICE, "%s: its accept queue has room again", name.text);
	}
	fast_path_press(w->fast_path, &at->address, at->state.pressed);
}

static void on_look(void *context)
{
	struct accept_watch *w = context;
	uint32_t looked = 0;

	for (uint32_t i = 0; i < w->count && looked < LOOKS_MAX; i++) {
		w->next = w->next + 1 < w->count ? w->next + 1 : 0;
		look_at(w, &w->list[w->next]);
		looked += w->list[w->next].fd_count;
	}
	timer_start(&w->timer, LOOK_MS);
}

static void list_free(struct watched *list, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		free(list[i].fds);
	free(list);
}

struct accept_watch *accept_watch_create(struct loop *loop, struct fast_path *fast_path)
{
	struct accept_watch *w = must_alloc(sizeof(*w));

	w->loop = loop;
	w->fast_path = fast_path;
	timer_init(&w->timer, loop, on_look, w);
	return w;
}

void accept_watch_destroy(struct accept_watch *w)
{
	if (!w)
		return;
	accept_watch_stop(w);
	free(w);
}

/* As cookie_wanted() chooses: that of the vip, where it says anything of cookies. */
static bool is_automatic(const struct model *model, const struct vip *vip)
{
	const struct guard *guards[] = { &vip->guard, &model->node.guard };

	for (int i = 0; i < 2; i++)
		if (guards[i]->given && guards[i]->mode != GUARD_MODE_OFF &&
		    guards[i]->cookies != GUARD_COOKIES_OFF)
			return guards[i]->cookies == GUARD_COOKIES_AUTO;
	return false;
}

static struct accept_state state_of(const struct accept_watch *w, const struct addr *address)
{
	for (uint32_t i = 0; i < w->count; i++)
		if (memcmp(&w->list[i].address, address, sizeof(*address)) == 0)
			return w->list[i].state;
	return (struct accept_state){ 0 };
}

void accept_watch_follow(struct accept_watch *w, const struct listen_table *table,
			 const struct snapshot *snapshot)
{
	struct watched *list = must_alloc((table->count + 1) * sizeof(*list));
	uint32_t count = 0;

	for (uint32_t i = 0; i < table->count; i++) {
		const struct listen_place *place = &table->places[i];
		struct watched *at = &list[count];

		if (!is_automatic(snapshot->model, snapshot->listeners[place->listener_index]->vip))
			continue;
		at->address = place->address;
		at->state = state_of(w, &place->address);
		at->fd_count = place->fd_count;
		at->fds = must_alloc(place->fd_count * sizeof(int));
		memcpy(at->fds, place->fds, place->fd_count * sizeof(int));
		count++;
	}
	accept_watch_stop(w);
	w->list = list;
	w->count = count;
	w->next = 0;
	if (count > 0)
		on_look(w);
}

void accept_watch_stop(struct accept_watch *w)
{
	if (!w)
		return;
	timer_stop(&w->timer);
	list_free(w->list, w->count);
	w->list = NULL;
	w->count = 0;
}

void accept_watch_status(const struct accept_watch *w, struct status *status)
{
	for (uint32_t i = 0; i < w->count; i++)
		status->accept_pressed += w->list[i].state.pressed;
	status->accept_pressed_times = w->times;
}
