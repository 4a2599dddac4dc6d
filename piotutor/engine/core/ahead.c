/* A read that begins where its rank's last one ended makes the window behind it larger by a
 * request, up to a limit; any other one closes it. What lies in the window is asked for in whole
 * requests, as far as the client has locks for it, and not beyond the file's end.
 *
 * Source: Lustre, llite/rw.c (ras_update, ras_increase_window, ll_readahead); reads in regular
 * steps, which it recognises, too, aren't modelled. */
#include "ahead.h"

#include "kept.h"
#include "locks.h"
#include "work.h"

static void ask_ahead(struct world *w, struct rpc wish)
{
    int64_t until = keeps(w, &wish) ? locked_until(w, &wish) : 0, end = wish.offset + wish.length;
    if (until < end)
        rank_at(w, wish.rank)->stream.asked = 0; /* perhaps the next read brings the lock */
    wish.rank = NOBODY;
    wish.length = (until < end ? until : end) - wish.offset;
    if (wish.length > 0)
        read_kept(w, wish);
}

static void move_window(struct world *w, struct stream *stream, struct operation read)
{
    int64_t limit = w->machine.read_ahead;
    if (stream->file != read.file + 1 || stream->next != read.offset) {
        stream->window = stream->asked = 0;
        return;
    }
    stream->window += w->machine.rpc_size;
    if (stream->window > limit)
        stream->window = limit;
}

void read_ahead(struct world *w, int32_t rank, struct operation read)
{
    struct stream *stream = &rank_at(w, rank)->stream;
    int64_t size = w->machine.rpc_size, end = read.offset + read.length;
    move_window(w, stream, read);
    stream->file = read.file + 1;
    stream->next = end;
    int64_t from = stream->asked > end ? stream->asked : end;
    int64_t to = (end + stream->window) / size * size, last = file_at(w, read.file)->end;
    if (end + stream->window >= last)
        to = last;
    if (!stream->window || from >= to)
        return;
    stream->asked = to;
    read.offset = from;
    read.length = to - from;
    for_each_object(w, rank, read, ask_ahead);
}
