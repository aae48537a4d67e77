#include "userspace/proxy/access_note.h"

#include <stddef.h>
#include <stdlib.h>

/* So that a long path leaves room for what comes behind it. */
static const uint16_t piece_max[PIECES] = {
	[PIECE_ID] = 64,    [PIECE_METHOD] = 32, [PIECE_HOST] = 255,
	[PIECE_PATH] = 640, [PIECE_QUERY] = 384, [PIECE_HEADERS... PIECES - 1] = 192,
};

struct access_note *access_note_take(struct access_notes *notes)
{
	struct access_note *note = notes->free;

	if (note)
		notes->free = note->next;
	else
		note = malloc(sizeof(*note));
	if (note)
		memset(note, 0, offsetof(struct access_note, text));
	return note;
}

void access_note_give(struct access_notes *notes, struct access_note *note)
{
	if (!note)
		return;
	note->next = notes->free;
	notes->free = note;
}

void access_notes_fini(struct access_notes *notes)
{
	for (struct access_note *next; notes->free; notes->free = next) {
		next = notes->free->next;
		free(notes->free);
	}
}

void access_note_put(struct access_note *note, enum access_piece piece, struct span text)
{
	size_t len = text.len, room = note ? (size_t)(ACCESS_NOTE_BYTES - note->used) : 0;

	if (!note || len == 0)
		return;
	if (len > piece_max[piece])
		len = piece_max[piece];
	if (len > room)
		len = room;
	note->cut |= len < text.len;
	memcpy(note->text + note->used, text.at, len);
	note->pieces[piece].at = note->used;
	note->pieces[piece].len = (uint16_t)len;
	note->used = (uint16_t)(note->used + len);
}

struct span access_note_piece(const struct access_note *note, enum access_piece piece)
{
	if (!note)
		return span_make(NULL, 0);
	return span_make(note->text + note->pieces[piece].at, note->pieces[piece].len);
}
