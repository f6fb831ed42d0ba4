"""Does label smoothing of the teacher hurt the student? Small networks learn from large ones (Müller et al. 2019).

    python -m experiments.train --config=configs/distill/teachers.py --workdir=runs/teachers
    python -m experiments.train --config=configs/distill/students.py --workdir=runs/students \
        --config.distill.teacher=runs/teachers

Students have 16 hidden units and the teachers' softmax at temperature T for their only target (distill.weight 1); seed r
learns from the teacher of seed r. Half a minute for the teachers and one for the students, on two CPU cores.

Müller et al. report that smoothed teachers are the better ones and have the worse students. On digits, test accuracy in
%, mean ± sd over 5 seeds (teachers: ERM 97.8, LS .1 98.8, LS .3 98.8; a student from scratch, by ERM: 96.6 ± 0.8):

    teacher   T = 1        T = 2        T = 4
    ERM       96.6 ± 0.8   96.8 ± 0.6   96.8 ± 0.4
    LS .1     96.4 ± 0.9   96.3 ± 0.5   96.1 ± 0.5
    LS .3     96.4 ± 0.5   96.5 ± 0.7   96.2 ± 1.0

The smoothed teachers' students are not better than ERM's at any T, and at T = 4 worse: with --config.seeds=20 for both
runs, LS .1 minus ERM is 0.00 ± 0.52 points at T = 1, -0.23 ± 0.79 at T = 2 and -0.53 ± 0.87 at T = 4 (seed by seed, mean
± sd; 95 % interval of the last mean -0.93 to -0.12, not corrected for looking at several). It is half a point, where the
teacher is nearly one better. Here no student is better than the one from scratch: there is little to be learned from a
teacher that is right on every training example. And it takes long training: after --config.steps=600 in place of
3000 it is the smoothed teachers' students that are ahead (T = 4: ERM 89.7 ± 3.7, LS .1 93.8 ± 0.9), since ERM's logits
are large and their match is slow to learn.
"""

from configs.distill import teachers

TEMPERATURES = (1.0, 2.0, 4.0)


def get_config():
    config = teachers.get_config()
    config.title = "Digits: students of smoothed and of other teachers"
    config.about = (
        "Small networks learn from large ones, which were trained with and without label smoothing. Smoothing makes the"
        " large ones better; does it make them better teachers?"
    )
    config.rows = {
        "from scratch": {},
        **{
            f"{teacher}, T = {temperature:g}": {"distill.row": teacher, "distill.temperature": temperature}
            for teacher in config.rows
            for temperature in TEMPERATURES
        },
    }
    config.steps = 3000
    config.eval_every = 500
    config.checkpoint_every = 1000
    config.model.widths = (16,)
    return config
