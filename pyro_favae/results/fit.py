"""stub"""


class Fit:
    def __init__(self, model, guide, history, ended_by):
        self.model, self.guide, self.history, self.ended_by = model, guide, history, ended_by
