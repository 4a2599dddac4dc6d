/* Operations on names: each takes one of the server's threads for its time. Who makes, renames
 * or removes a file has its directory for the last share of that; other threads wait meanwhile. */
#include "metadata.h"

#include "events.h"
#include "work.h"

static ns *first_free(struct world *w)
{
    ns *first = worker_at(w, 0);
    for (int64_t i = 1; i < w->machine.metadata_threads; i++)
        if (*worker_at(w, i) < *first)
            first = worker_at(w, i);
    return first;
}

/* Of those who open a file to write, one makes it: the others find it made. */
static int changes_directory(struct world *w, const struct rank *rank)
{
    struct file *file = file_at(w, rank->doing.file);
    int32_t maker = file->maker;
    if (rank->doing.op == REMOVE)
        file->maker = 0;
    else if (rank->doing.op == CREATE && !maker)
        file->maker = rank->name + 1;
    return rank->doing.op == REMOVE || rank->doing.op == RENAME
           || (rank->doing.op == CREATE && file->maker == rank->name + 1);
}

void ask_metadata(struct world *w, int32_t rank, struct operation what)
{
    (void)what;
    rank_at(w, rank)->pending++;
    foresee(w, w->now + seconds(w->machine.latency), METADATA, (number)rank);
}

void metadata_arrives(struct world *w, int32_t which)
{
    const struct machine *m = &w->machine;
    const double times[] = {[OPEN] = m->open_time, [CREATE] = m->create_time,
                            [STAT] = m->stat_time, [REMOVE] = m->remove_time,
                            [TRUNCATE] = m->open_time, [RENAME] = m->create_time};
    struct rank *rank = rank_at(w, which);
    ns time = seconds(times[rank->doing.op]), *thread = first_free(w);
    ns *directory = directory_at(w, file_at(w, rank->doing.file)->directory);
    ns alone = changes_directory(w, rank) ? (ns)((double)time * m->directory_share) : 0;
    ns done = occupy(thread, w->now, time - alone);
    if (alone)
        done = *thread = occupy(directory, done, alone);
    rank->busy = done + seconds(m->latency);
    if (rank->doing.op == TRUNCATE)
        file_at(w, rank->doing.file)->end = rank->doing.offset;
    part_is_over(w, which);
}
