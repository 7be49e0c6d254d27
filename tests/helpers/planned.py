"""Sizes and timings of a survey as a plan knows them."""

from hscz.plan import costs
from hscz.plan.sizes import FieldSize
from hscz.plan.trial import Prediction, Training

SIZE = FieldSize("COSMOS_UDF", 200_000, 160_000, 6_000, 40, 4200, 7, 5000.0, "area")


TARGET = FieldSize("DEEP2", 500_000, 0, 15_000, 160, 4200, 6, 20_000.0, "stated")


SIZES = {"COSMOS_UDF": SIZE, "DEEP2": TARGET}


TRAINING = Training(0.1, 1000.0, 0.0, 30.0)


PREDICTION = Prediction(1e-3, 2.0, 1200.0, 0.0)


def train_cost(config, training=TRAINING):
    return costs.train_cost(config, SIZES, training, PREDICTION)
